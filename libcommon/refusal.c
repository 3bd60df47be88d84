/* SPDX-License-Identifier: MIT */
#include "refusal.h"

#include "msg.h"
#include "schemas.h"

static int put(struct cr_writer *w, const Cr__Refusal *r, struct cr_err *err)
{
	cr_msg("pid %u: %s%s%s%s%s", r->pid, r->object, r->object[0] ? ": " : "", r->what,
	       r->remedy[0] ? "; " : "", r->remedy);
	return w ? cr_writer_put(w, CR_KIND_REFUSAL, r, err) : 0;
}

static void fill(Cr__Refusal *r, pid_t pid, const char *object, const char *kind,
		 const char *remedy)
{
	cr__refusal__init(r);
	r->tool = (char *)cr_prog;
	r->pid = (uint32_t)pid;
	r->object = (char *)object;
	r->what = (char *)kind;
	r->remedy = (char *)remedy;
}

int cr_refuse(struct cr_writer *w, pid_t pid, const char *object, const char *kind,
	      const char *remedy, struct cr_err *err)
{
	Cr__Refusal r;

	fill(&r, pid, object, kind, remedy);
	return put(w, &r, err);
}

int cr_refuse_agent(struct cr_writer *w, pid_t pid, const char *object, const char *kind,
		    const char *remedy, struct cr_err *err)
{
	Cr__Refusal r;

	fill(&r, pid, object, kind, remedy);
	r.no_agent = true;
	return put(w, &r, err);
}

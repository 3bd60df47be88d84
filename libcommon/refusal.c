/* SPDX-License-Identifier: MIT */
#include "refusal.h"

#include "msg.h"
#include "schemas.h"

int cr_refuse(struct cr_writer *w, pid_t pid, const char *object, const char *kind,
	      const char *remedy, struct cr_err *err)
{
	Cr__Refusal r = CR__REFUSAL__INIT;

	cr_msg("pid %d: %s%s%s%s%s", (int)pid, object, object[0] ? ": " : "", kind,
	       remedy[0] ? "; " : "", remedy);
	r.tool = (char *)cr_prog;
	r.pid = (uint32_t)pid;
	r.object = (char *)object;
	r.what = (char *)kind;
	r.remedy = (char *)remedy;
	return w ? cr_writer_put(w, CR_KIND_REFUSAL, &r, err) : 0;
}

/* SPDX-License-Identifier: MIT */
/* Credentials: system calls that act on one thread, in the order that works. */
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attrs.h"
#include "clean.h"
#include "creds.h"
#include "proc.h"

#define CAPS 64

static const Cr__Creds *own_creds(struct cr_err *err)
{
	static Cr__Creds own = CR__CREDS__INIT;
	static bool known;
	cr_auto_free char *status = NULL;

	if (known)
		return &own;
	if (cr_proc_read(getpid(), "status", &status, NULL, err) < 0 ||
	    cr_creds_parse(getpid(), status, &own, err) < 0)
		return NULL;
	known = true;
	return &own;
}

int creds_check(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	const Cr__Creds *own = own_creds(err);

	if (!own)
		return -1;
	for (unsigned int i = 0; i < t->n_threads; i++) {
		const Cr__Creds *c = t->threads[i].thread->creds;
		uint64_t lacking;

		if (!c)
			return cr_err_set(err, CR_BAD_INPUT, "thread %u: no credentials",
					  t->threads[i].thread->tid);
		lacking = (c->cap_prm | c->cap_bnd | c->cap_inh) & ~own->cap_bnd;
		if (lacking)
			refuse(r, t->task->pid, "",
			       "it has capabilities that cr-restore lacks "
			       "(mask %llx); run cr-restore with them",
			       (unsigned long long)lacking);
		if (own->no_new_privs && !c->no_new_privs)
			refuse(r, t->task->pid, "",
			       "cr-restore has no_new_privs set, "
			       "which cannot be taken back");
	}
	return 0;
}

static int set_groups(const Cr__Creds *c, struct vec *v, struct arena *a, struct cr_err *err)
{
	uint32_t *groups = arena_alloc(a, c->n_groups * sizeof(*groups), err);

	if (!groups)
		return -1;
	if (c->n_groups)
		memcpy(groups, c->groups, c->n_groups * sizeof(*groups));
	vec_sys(v, LABEL_CREDS, SYS_setgroups, (int64_t)c->n_groups, P(groups));
	return 0;
}

static int set_caps(const Cr__Creds *prm_eff, uint64_t inh, struct vec *v, struct arena *a,
		    struct cr_err *err)
{
	struct {
		struct __user_cap_header_struct head;
		struct __user_cap_data_struct data[2];
	} *caps = arena_alloc(a, sizeof(*caps), err);

	if (!caps)
		return -1;
	caps->head.version = _LINUX_CAPABILITY_VERSION_3;
	for (int i = 0; i < 2; i++) {
		caps->data[i].effective = (uint32_t)(prm_eff->cap_eff >> (32 * i));
		caps->data[i].permitted = (uint32_t)(prm_eff->cap_prm >> (32 * i));
		caps->data[i].inheritable = (uint32_t)(inh >> (32 * i));
	}
	vec_sys(v, LABEL_CREDS, SYS_capset, P(&caps->head), P(caps->data));
	return 0;
}

static void set_ids(const Cr__Creds *c, struct vec *v)
{
	vec_sys(v, LABEL_CREDS, SYS_setresgid, c->gid, c->egid, c->sgid);
	if (c->fsgid != c->egid)
		vec_sys(v, LABEL_CREDS, SYS_setfsgid, c->fsgid);
	vec_sys(v, LABEL_CREDS, SYS_setresuid, c->uid, c->euid, c->suid);
	if (c->fsuid != c->euid)
		vec_sys(v, LABEL_CREDS, SYS_setfsuid, c->fsuid);
}

bool creds_differ(const struct task_image *t)
{
	struct cr_err ignored;
	const Cr__Creds *own = own_creds(&ignored);

	for (unsigned int n = 0; n < t->n_threads; n++)
		if (!own || !cr_creds_equal(own, t->threads[n].thread->creds))
			return true;
	return false;
}

int creds_build(struct restore *r, const Cr__Creds *c, uint32_t securebits, struct vec *v,
		struct arena *a, struct cr_err *err)
{
	const Cr__Creds *own = own_creds(err);

	(void)r;
	if (!own)
		return -1;
	if (cr_creds_equal(own, c) && !securebits)
		return 0;
	if (set_groups(c, v, a, err) < 0)
		return -1;
	/* Changing the user ids is not to touch the capabilities. */
	vec_sys(v, LABEL_CREDS, SYS_prctl, PR_SET_SECUREBITS,
		SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS);
	/* What leaves the bounding set can no more be made inheritable. */
	if (c->cap_inh != own->cap_inh && set_caps(own, c->cap_inh, v, a, err) < 0)
		return -1;
	for (int cap = 0; cap < CAPS; cap++)
		if (own->cap_bnd & ~c->cap_bnd & 1ull << cap)
			vec_sys(v, LABEL_CREDS, SYS_prctl, PR_CAPBSET_DROP, cap);
	set_ids(c, v);
	/* A secure bit may forbid this; it needs the other two sets. */
	for (int cap = 0; cap < CAPS; cap++)
		if (c->cap_amb & 1ull << cap)
			vec_sys(v, LABEL_CREDS, SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE,
				cap);
	/* These need CAP_SETPCAP. */
	vec_sys(v, LABEL_CREDS, SYS_prctl, PR_SET_SECUREBITS, securebits);
	if (set_caps(c, c->cap_inh, v, a, err) < 0)
		return -1;
	if (c->no_new_privs)
		vec_sys(v, LABEL_CREDS, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
	return 0;
}

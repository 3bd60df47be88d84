/* SPDX-License-Identifier: MIT */
#include "creds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"

static int parse_groups(const char *p, Cr__Creds *c, struct cr_err *err)
{
	size_t room = 0;

	for (;;) {
		char *end;
		unsigned long id;

		while (*p == ' ' || *p == '\t')
			p++;
		if (*p == '\n' || !*p)
			return 0;
		id = strtoul(p, &end, 10);
		if (end == p)
			return 0;
		p = end;
		if (c->n_groups == room) {
			uint32_t *grown;

			room = room ? room * 2 : 16;
			grown = realloc(c->groups, room * sizeof(*grown));
			if (!grown)
				return cr_err_sys(err, "out of memory");
			c->groups = grown;
		}
		c->groups[c->n_groups++] = (uint32_t)id;
	}
}

static int parse_caps(const char *status, Cr__Creds *c)
{
	static const char *const names[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };
	uint64_t *const sets[] = { &c->cap_inh, &c->cap_prm, &c->cap_eff, &c->cap_bnd,
				   &c->cap_amb };

	for (int i = 0; i < 5; i++) {
		const char *p = cr_proc_field(status, names[i]);

		if (!p || sscanf(p, "%" SCNx64, sets[i]) != 1)
			return -1;
	}
	return 0;
}

int cr_creds_parse(pid_t pid, const char *status, Cr__Creds *c, struct cr_err *err)
{
	const char *uid = cr_proc_field(status, "Uid"), *gid = cr_proc_field(status, "Gid");
	const char *groups = cr_proc_field(status, "Groups");
	const char *nnp = cr_proc_field(status, "NoNewPrivs");

	if (!uid || sscanf(uid, "%u %u %u %u", &c->uid, &c->euid, &c->suid, &c->fsuid) != 4 ||
	    !gid || sscanf(gid, "%u %u %u %u", &c->gid, &c->egid, &c->sgid, &c->fsgid) != 4 ||
	    !groups || parse_caps(status, c) < 0)
		return cr_err_set(err, CR_SYSTEM, "/proc/%d/status: not understood", (int)pid);
	c->no_new_privs = nnp && *nnp == '1';
	return parse_groups(groups, c, err);
}

void cr_creds_release(Cr__Creds *c)
{
	free(c->groups);
	c->groups = NULL;
	c->n_groups = 0;
}

bool cr_creds_equal(const Cr__Creds *a, const Cr__Creds *b)
{
	return a->uid == b->uid && a->euid == b->euid && a->suid == b->suid &&
	       a->fsuid == b->fsuid && a->gid == b->gid && a->egid == b->egid &&
	       a->sgid == b->sgid && a->fsgid == b->fsgid && a->cap_inh == b->cap_inh &&
	       a->cap_prm == b->cap_prm && a->cap_eff == b->cap_eff && a->cap_bnd == b->cap_bnd &&
	       a->cap_amb == b->cap_amb && a->no_new_privs == b->no_new_privs &&
	       a->n_groups == b->n_groups &&
	       (!a->n_groups ||
		memcmp(a->groups, b->groups, a->n_groups * sizeof(*a->groups)) == 0);
}

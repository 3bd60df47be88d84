/* SPDX-License-Identifier: MIT */
#include "session-ring.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const Cr__SessionKeyring *ring_of(const struct restore *r, int index)
{
	const struct cr_birth *b = &r->family.births[index];
	const Cr__Inside *in = b->kind == CR_BIRTH_TASK ? r->img.tasks[index].inside : NULL;

	return in ? in->session_keyring : NULL;
}

/* What it has from birth; 0: that of this program. */
static uint32_t inherited(const struct restore *r, int index)
{
	while ((index = r->family.births[index].maker) != CR_OUTSIDE) {
		const Cr__SessionKeyring *k = ring_of(r, index);

		if (k)
			return k->id;
	}
	return 0;
}

void session_rings_check(struct restore *r)
{
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const Cr__SessionKeyring *k = ring_of(r, (int)i), *other;

		if (!k || inherited(r, (int)i) == k->id)
			continue;
		for (unsigned int n = 0; n < i; n++) {
			other = ring_of(r, (int)n);
			if (other && other->id == k->id) {
				refuse(r, r->img.tasks[i].task->pid, "",
				       "it has the session keyring of process %u, and cannot be "
				       "made by one that has it",
				       r->img.tasks[n].task->pid);
				break;
			}
		}
	}
}

int session_ring_join(const struct restore *r, unsigned int index, struct cr_err *err)
{
	const Cr__SessionKeyring *k = ring_of(r, (int)index);
	long ring;

	if (!k || inherited(r, (int)index) == k->id)
		return 0;
	ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (ring < 0)
		return cr_err_sys(err, "unable to make a session keyring");
	if ((k->uid != geteuid() || k->gid != getegid()) &&
	    syscall(SYS_keyctl, KEYCTL_CHOWN, ring, k->uid, k->gid) < 0)
		return cr_err_sys(err, "unable to give its session keyring to user %u", k->uid);
	if (syscall(SYS_keyctl, KEYCTL_SETPERM, ring, k->perm) < 0)
		return cr_err_sys(err, "unable to set the permissions of its session keyring");
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "liveness.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct robust_list_head head = {
	.list = { &head.list },
	.futex_offset = (long)offsetof(struct cr_agent_ctl, alive) -
			(long)offsetof(struct cr_agent_ctl, owner_link),
};
static unsigned int held;

static struct robust_list *link_of(struct cr_agent_ctl *ctl)
{
	return (struct robust_list *)&ctl->owner_link;
}

int cr_alive_hold(struct cr_agent_ctl *ctl, struct cr_err *err)
{
	long tid = syscall(SYS_gettid);

	/* A filter may forbid it, and -1 would say that the owner has died. */
	if (tid < 0)
		return cr_err_sys(err, "gettid");
	/* The kernel wakes nobody for a word without FUTEX_WAITERS. */
	ctl->alive = (uint32_t)tid | FUTEX_WAITERS;
	if (held == CR_ALIVE_MAX)
		return cr_err_set(err, CR_REFUSED, "more than %d processes at once", CR_ALIVE_MAX);
	if (held == 0 && syscall(SYS_set_robust_list, &head, sizeof(head)) < 0)
		return cr_err_sys(err, "set_robust_list");
	link_of(ctl)->next = head.list.next;
	head.list.next = link_of(ctl);
	held++;
	return 0;
}

void cr_alive_drop(struct cr_agent_ctl *ctl)
{
	struct robust_list *p = &head.list;

	while (p->next != &head.list && p->next != link_of(ctl))
		p = p->next;
	if (p->next != link_of(ctl))
		return;
	p->next = p->next->next;
	held--;
}

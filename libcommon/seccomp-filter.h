/* SPDX-License-Identifier: MIT */
/*
 * Seccomp filters of a traced, stopped thread, and what they say to a call.
 *
 * The kernel lends them to a tracer with CAP_SYS_ADMIN that is under no filter
 * itself (PTRACE_SECCOMP_GET_FILTER 4.4, GET_METADATA 4.16; needs
 * CONFIG_CHECKPOINT_RESTORE).  The list is in the order of installation and
 * malloc'ed; cr_filters_free() releases it.
 */
#ifndef CR_SECCOMP_FILTER_H
#define CR_SECCOMP_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct cr_filter {
	struct sock_filter *insns;
	uint32_t count;
	uint32_t flags;		/* SECCOMP_FILTER_FLAG_LOG or 0 */
};

int cr_filters_get(pid_t tid, struct cr_filter **list, size_t *count, struct cr_err *err) CR_MUST;
void cr_filters_free(struct cr_filter *list, size_t count);

/* SECCOMP_RET_* of all filters together. */
uint32_t cr_filters_judge(const struct cr_filter *list, size_t count,
			  const struct seccomp_data *call);

/* Does it leave a decision to a supervisor (SECCOMP_RET_USER_NOTIF)? */
bool cr_filter_asks(const struct cr_filter *f);

#endif

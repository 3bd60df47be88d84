/* SPDX-License-Identifier: MIT */
/*
 * rtnetlink: what the kernel knows of network interfaces, asked and set by
 * messages whose payloads can be kept and sent again.
 *
 * Open a socket, use it for any number of requests, close it.  Functions return
 * 0 or -1 with *err filled; an answer of the kernel's has its errno there.
 */
#ifndef CR_RTNL_H
#define CR_RTNL_H

#include <linux/rtnetlink.h>
#include <stddef.h>

#include "err.h"

/* In the network namespace of the caller. */
int cr_rtnl_open(struct cr_err *err) CR_MUST;

/* RTM_GET*, whose header has @head bytes, of all: @each for each message of the
 * answer, until it returns -1. */
int cr_rtnl_list(int fd, int type, size_t head, int family,
		 int (*each)(void *ctx, const struct nlmsghdr *h, struct cr_err *err), void *ctx,
		 struct cr_err *err) CR_MUST;

/* RTM_NEW*, RTM_DEL* with a payload, and NLM_F_* for it. */
int cr_rtnl_do(int fd, int type, int flags, const void *payload, size_t len,
	       struct cr_err *err) CR_MUST;

/* The attribute @type of a payload that has a header of @head bytes; NULL: none. */
const struct rtattr *cr_rtnl_attr(const void *payload, size_t len, size_t head, int type);

#endif

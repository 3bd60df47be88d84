/* SPDX-License-Identifier: MIT */
/*
 * Netlink: requests, and all messages of the answer.  Payloads of rtnetlink can be
 * kept and sent again.
 *
 * Open a socket, use it for any number of requests, close it.  Functions return
 * 0 or -1 with *err filled; an answer of the kernel's has its errno there.  (libnl
 * would bring the resolver of the C library into programs that are linked
 * statically.)
 */
#ifndef CR_NETLINK_H
#define CR_NETLINK_H

#include <linux/rtnetlink.h>
#include <stddef.h>

#include "err.h"

/* NETLINK_ROUTE, NETLINK_SOCK_DIAG, in the network namespace of the caller. */
int cr_netlink_open(int protocol, struct cr_err *err) CR_MUST;

/* Of all that the request means: @each for each message of the answer, until it
 * returns -1; nothing can be asked on the socket then. */
int cr_netlink_list(int fd, int type, const void *payload, size_t len,
		    int (*each)(void *ctx, const struct nlmsghdr *h, struct cr_err *err), void *ctx,
		    struct cr_err *err) CR_MUST;

/* RTM_NEW*, RTM_DEL* with a payload, and NLM_F_* for it. */
int cr_netlink_do(int fd, int type, int flags, const void *payload, size_t len,
		  struct cr_err *err) CR_MUST;

/* The attribute @type of a payload that has a header of @head bytes; NULL: none. */
const struct rtattr *cr_netlink_attr(const void *payload, size_t len, size_t head, int type);

#endif

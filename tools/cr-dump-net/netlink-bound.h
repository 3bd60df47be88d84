/* SPDX-License-Identifier: MIT */
/* What hangs on a netlink socket and would be lost with it. */
#ifndef NETLINK_BOUND_H
#define NETLINK_BOUND_H

#include "net.h"

/* *@what: it has something, NULL: nothing that can be seen. */
int netlink_bound(int protocol, uint32_t port, bool has_groups, const char **what,
		  struct cr_err *err) CR_MUST;

#endif

/* SPDX-License-Identifier: MIT */
/* The families of sockets, in the order in which they are asked. */
#include <stddef.h>

#include "net.h"

const struct family *const families[] = {
	&unix_family, &inet_family, &netlink_family, &other_family,	/* matches all, refuses all */
	NULL,
};

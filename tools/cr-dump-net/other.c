/* SPDX-License-Identifier: MIT */
/* Whatever no family knows. */
#include "net.h"

static bool match(const struct sock *s)
{
	(void)s;
	return true;
}

static int dump(struct net *n, const struct sock *s, int fd, struct cr_err *err)
{
	(void)fd;
	return sock_refuse(n, s, "not supported", "close it", err);
}

const struct family other_family = { .match = match, .dump = dump };

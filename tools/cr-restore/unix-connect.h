/* SPDX-License-Identifier: MIT */
/* Connections of AF_UNIX sockets that socketpair(2) does not make. */
#ifndef UNIX_CONNECT_H
#define UNIX_CONNECT_H

#include "unix.h"

int unix_connect_streams(struct restore *r, struct unix_sock **list, unsigned int n,
			 struct cr_err *err) CR_MUST;
int unix_connect_datagrams(struct restore *r, struct unix_sock *u, struct cr_err *err) CR_MUST;
int unix_listen_all(struct restore *r, struct unix_sock **list, unsigned int n,
		    struct cr_err *err) CR_MUST;

/* unix-make.c: a step for each, as its .cred; sorts the list. */
int unix_run_as(struct restore *r, struct unix_sock **list, unsigned int n,
		int (*step)(struct restore *r, struct unix_sock *u, struct cr_err *err),
		struct cr_err *err) CR_MUST;

#endif

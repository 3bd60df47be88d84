/* SPDX-License-Identifier: MIT */
/* What sockets of all families have: options, filter, the node's owner. */
#ifndef COMMON_H
#define COMMON_H

#include "net.h"

/*
 * Fill @c, which is the net's memory.  1: it has something that cannot be
 * read, which has been refused.
 */
int common_fill(struct net *n, const struct sock *s, int fd, Cr__SockCommon *c,
		struct cr_err *err) CR_MUST;

/* Let an option go that means nothing in a new socket. */
void common_drop(Cr__SockCommon *c, const char *name);

/* Is there an error that the next call would get (SO_ERROR), or something in its
 * error queue (MSG_ERRQUEUE)?  No call tells what it is without taking it away. */
#define COMMON_ERROR "an error waits to be received: not supported"
#define COMMON_ERROR_REMEDY "receive it (SO_ERROR, MSG_ERRQUEUE)"
int common_check_error(struct net *n, const struct sock *s, int fd, struct cr_err *err) CR_MUST;

#endif

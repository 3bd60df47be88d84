/* SPDX-License-Identifier: MIT */
/* The parts of the dump of AF_INET and AF_INET6 sockets. */
#ifndef INET_H
#define INET_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "net.h"

union inet_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

Cr__InetAddress *inet_address(struct net *n, const union inet_address *a, struct cr_err *err);

bool inet_has_option(const Cr__InetSocket *m, const char *name);

/* inet-queue.c: datagrams that wait.  1: refused. */
/* 1: reading, 2: writing. */
int inet_shutdown(struct net *n, const struct sock *s, int fd, bool has_port, uint32_t *how,
		  struct cr_err *err) CR_MUST;
int inet_queue(struct net *n, const struct sock *s, int fd, Cr__InetSocket *m,
	       struct cr_err *err) CR_MUST;

/* inet-control.c: what comes with a datagram, when it is asked for. */
bool inet_asks(const Cr__InetSocket *m);
int inet_control(struct net *n, struct msghdr *h, Cr__InetMessage *m, struct cr_err *err) CR_MUST;
/* *@why: something in its queue cannot be restored. */
int inet_control_why_not(const Cr__InetSocket *s, const char **why, struct cr_err *err) CR_MUST;

/* inet-groups.c: multicast groups that it is a member of.  1: refused. */
int inet_groups(struct net *n, const struct sock *s, int fd, Cr__InetSocket *m,
		struct cr_err *err) CR_MUST;

#endif

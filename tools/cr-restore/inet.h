/* SPDX-License-Identifier: MIT */
/* AF_INET and AF_INET6 sockets; inet.c is the kind. */
#ifndef INET_H
#define INET_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "restore.h"

union inet_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Returns its length. */
socklen_t inet_address(const Cr__InetAddress *m, union inet_address *out);

/* inet-fill.c: send what was in the queue of the bound UDP socket @fd again. */
int inet_fill(int fd, const Cr__InetSocket *m, struct cr_err *err) CR_MUST;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The messages in the receive queue of a socket, as the kernel has them
 * (kernel-peek.h): how many there are, how long each is, and which of them a
 * look with SO_PEEK_OFF does not see.
 *
 * It passes over an empty message that somebody has looked at before
 * (__skb_try_recv_from_queue() of the kernel, skb->peeked): a program with
 * MSG_PEEK, or an earlier dump.  No system call tells that there is one.
 */
#ifndef WAITING_H
#define WAITING_H

#include "net.h"

#define WAITING_UNSEEN "whether empty messages are in its queue cannot be seen"
#define WAITING_REMEDY "receive them, or try again with CAP_BPF and CAP_PERFMON"

struct waiting {
	uint64_t skb;	/* where the kernel has it */
	uint32_t len;	/* of a stream: what one call has written, or a part of it */
	bool rights;	/* AF_UNIX: descriptors come with it */
	bool hidden;	/* MSG_PEEK passes over it: it is empty */
};

struct waiting_list {
	struct waiting *list;
	size_t count;
};

enum waiting_kind {
	WAITING_UDP,
	WAITING_UNIX,
};

/* 1: the kernel cannot be looked at.  The list is net_alloc()'s. */
int waiting_look(struct net *n, int fd, enum waiting_kind kind, struct waiting_list *w,
		 struct cr_err *err) CR_MUST;

/* Is there nothing in its queue?  Without a look at the kernel: 1 yes, 0 perhaps
 * not. */
int waiting_none(int fd, struct cr_err *err) CR_MUST;

/* Of a hidden one; -1: that cannot be read.  All is in network order, an
 * address of IPv4 the last 4 bytes of @addr. */
struct waiting_from {
	uint8_t addr[16];
	bool six;
	uint16_t port;
};
int waiting_udp_from(struct net *n, const struct waiting *w, struct waiting_from *from) CR_MUST;
/* Its sender's name, as recvmsg(2) would give it. */
int waiting_unix_from(struct net *n, const struct waiting *w, void *name, size_t size,
		      size_t *len) CR_MUST;

void waiting_end(struct net *n);

#endif

/* SPDX-License-Identifier: MIT */
/* The parts of the dump of AF_UNIX sockets; unix.c puts them together. */
#ifndef UNIX_H
#define UNIX_H

#include "net.h"
#include "unix-diag.h"

/* One socket; its record is written when all have been seen. */
struct unix_sock {
	struct sock s;
	Cr__UnixSocket m;
	bool refused;		/* something in it was: the record is not written */
	/* From sock_diag: */
	bool found;
	bool has_peer;
	uint32_t peer_ino;
	uint32_t wqueue;
	uint32_t *pending;
	size_t n_pending;
	/* unix-link.c: */
	struct unix_sock *peer;
	struct unix_sock *group;	/* union-find */
	bool in_flight;		/* it waits at a listener of the tree */
};

struct unix_all {
	struct unix_sock **list;	/* by inode once all are there */
	unsigned int count;
	struct unix_sock **by_name;	/* those with a name, by it */
	unsigned int n_names;
};

struct unix_sock *unix_by_ino(const struct unix_all *all, uint64_t ino);
/* One of the sockets whose own name that is. */
struct unix_sock *unix_by_name(const struct unix_all *all, const ProtobufCBinaryData *name);

/* Refuse and remember it. */
int unix_refuse(struct net *n, struct unix_sock *u, const char *what, const char *remedy,
		struct cr_err *err) CR_MUST;

/* The name as the record has it, from what the kernel gave. */
int unix_set_name(struct net *n, ProtobufCBinaryData *out, const void *addr, size_t len,
		  struct cr_err *err) CR_MUST;
static inline bool unix_is_path(const ProtobufCBinaryData *name)
{
	return name->len && name->data[0];
}

/* unix-queue.c: the receive queue, without taking anything out. */
int unix_queue(struct net *n, struct unix_sock *u, int fd, struct cr_err *err) CR_MUST;

/* unix-rights.c: the descriptors that come with its messages, as cr-dump-fds has
 * found them. */
int unix_rights(struct net *n, struct unix_sock *u, const Cr__Socket *s,
		struct cr_err *err) CR_MUST;

/* unix-link.c: peers, connections that wait, groups. */
int unix_link(struct net *n, struct cr_err *err) CR_MUST;

/* unix-file.c: the file of a socket that is bound to a path. */
int unix_file(struct net *n, struct unix_sock *u, int fd, struct cr_err *err) CR_MUST;

#endif

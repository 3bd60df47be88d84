/* SPDX-License-Identifier: MIT */
/*
 * AF_UNIX sockets.  Those that have to do with each other (the same group) are
 * made in one place, by the first of them that is opened, in steps over all of
 * them: a queue is filled before its sender is gone, a name is there before
 * somebody connects to it.  unix.c is the kind, unix-make.c has the steps.
 */
#ifndef UNIX_H
#define UNIX_H

#include <sys/socket.h>
#include <sys/un.h>

#include "creator.h"
#include "restore.h"

/* One socket; all lie in shared memory, for creator.h and the watcher. */
struct unix_sock {
	const Cr__UnixSocket *m;
	struct unix_sock *peer;		/* one of the image's, or NULL */
	const Cr__UnixCred *cred;	/* as whom a step is done */
	int fd;
	int temp;	/* its end of a connection whose other end is closed */
	pid_t maker;	/* the process that makes it */
	bool made;	/* together with its peer or .temp, as a pair */
	bool linked;	/* its file in the file system is ours */
};

struct unix_socks {
	struct unix_sock *list;		/* by id */
	unsigned int count;
	pid_t done;	/* the process that has made those it makes */
	int mount;	/* see unix-bind.c */
	int root, cwd;
};

struct unix_sock *unix_find(const struct restore *r, uint32_t id);
/* Where bind(2) makes the file, which then gets the path that it had: by the last part
 * of the socket's own name. */
int unix_bind_path(const Cr__UnixSocket *m, char *out, size_t size, struct cr_err *err) CR_MUST;
const char *unix_text(const ProtobufCBinaryData *name, char buf[256]);

static inline bool unix_is_path(const ProtobufCBinaryData *name)
{
	return name->len && name->data[0];
}

/* The name was its listener's: it was accepted. */
static inline bool unix_was_accepted(const struct unix_sock *u)
{
	return u->m->name.len && !u->m->bound;
}

/* unix-check.c: are the names to be had?  All of them, once. */
int unix_check_names(struct restore *r, struct cr_err *err) CR_MUST;

/* unix-make.c: make all that this process is to make. */
int unix_make(struct restore *r, struct cr_err *err) CR_MUST;

/* unix-bind.c.  _name: as in the record.  _private: where nobody else sees it. */
int unix_bind(struct restore *r, struct unix_sock *u, struct cr_err *err) CR_MUST;
int unix_bind_private(struct restore *r, int fd, const ProtobufCBinaryData *name,
		      struct cr_err *err) CR_MUST;

/* How to reach one that is bound, wherever its file is. */
struct unix_address {
	struct sockaddr_un un;
	socklen_t len;
	int file;	/* must stay open as long as the address is used; -1: none */
};
int unix_address_of(int fd, const ProtobufCBinaryData *name, struct unix_address *out,
		    struct cr_err *err) CR_MUST;
int unix_connect_to(int fd, int to, const ProtobufCBinaryData *name, struct cr_err *err) CR_MUST;

/* Remove the files that a failed restore has made. */
void unix_undo(struct restore *r);

/* unix-fill.c: the receive queue. */
int unix_fill(struct restore *r, struct unix_sock *u, struct cr_err *err) CR_MUST;

#endif

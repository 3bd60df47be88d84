/* SPDX-License-Identifier: MIT */
/*
 * The dump of sockets.  cr-dump-fds has said in a Socket record where each one
 * is; the family that matches it in families.c then looks at it through a
 * duplicate (pidfd_getfd, 5.6) and says the rest, at once or, when it must see
 * all of them first, in its finish().
 *
 * Nothing is taken out of a queue and nothing of a socket is changed, but for
 * what peek-offset.h says.
 */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "opt.h"
#include "sockopt.h"
#include "stage.h"

/* A socket of the tree. */
struct sock {
	uint32_t id;
	uint64_t ino;
	uint32_t flags;		/* O_* */
	pid_t pid;		/* who has it */
	uint32_t fd;		/* ... by which number */
	int family;
	int type;
	int protocol;
	unsigned int who;	/* cr_sockopt_family() */
	pid_t carrier_pid;	/* not 0: it is in the queue of this one's ... */
	uint32_t carrier_fd;	/* ... socket, and .pid a program of the dump */
	const Cr__Socket *record;	/* while it is looked at */
};

struct net_opts {
	const char *dir;
	struct cr_opt_list external;
	struct cr_opt_list scripts;
	bool ext_unix;
	bool skip_in_flight;
	bool tcp_close;
};

struct shutdowns;
struct unix_all;
struct kernel_peek;
struct peek_offset;
struct block;
struct lock;

struct net {
	struct cr_stage *st;
	struct net_opts opts;
	pid_t pid;		/* of the pidfd, which is kept for the next socket */
	int pidfd;
	struct defaults *defaults;	/* see common.h */
	struct unix_all *unix_all;	/* see unix.h */
	struct shutdowns *shutdowns;	/* see inet-shutdown.c */
	struct groups *groups;	/* see inet-groups.c */
	struct peek_offset *peek;
	struct kernel_peek *kernel;	/* see waiting.h */
	bool no_kernel;
	struct lock *lock;	/* see lock.h */
	struct block *blocks;	/* of net_alloc() */
	uint64_t count;
};

struct family {
	bool (*match)(const struct sock *s);
	/* @fd: a duplicate. */
	int (*dump)(struct net *n, const struct sock *s, int fd, struct cr_err *err);
	/* All have been seen; may be NULL. */
	int (*finish)(struct net *n, struct cr_err *err);
};

extern const struct family *const families[];	/* ends with NULL */
extern const struct family inet_family;
extern const struct family netlink_family;
extern const struct family unix_family;
extern const struct family other_family;	/* matches all, refuses all */

/* Zeroed memory that lives as long as the net. */
void *net_alloc(struct net *n, size_t size, struct cr_err *err) CR_MUST;
void net_free(struct net *n);

/* A descriptor of ours for the socket. */
int sock_get(struct net *n, const struct sock *s, struct cr_err *err) CR_MUST;

/* "pid 42: fd 7: unix stream socket @x: WHAT; REMEDY" */
int sock_refuse(struct net *n, const struct sock *s, const char *what, const char *remedy,
		struct cr_err *err) CR_MUST;

/* Is it named with --external NAME[INO]? */
bool sock_is_external(const struct net *n, const char *name, uint64_t ino);

#endif

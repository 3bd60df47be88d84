/* SPDX-License-Identifier: MIT */
/*
 * --new-pid-ns: a copy of the tree in a pid namespace of its own, so that any
 * number of them live side by side.
 *
 * pidns_enter() forks a process into a new pid namespace, and a mount namespace
 * that only differs in what /proc shows.  It is process 1 there, restores the
 * tree as cr-restore does anywhere (it returns from pidns_enter() with *inside
 * set), then says so with pidns_tell() and becomes the namespace's init with
 * pidns_init(): it reaps orphans until nobody is left.  The process outside
 * waits for the word with pidns_await(), and knows the root by its own pid.
 */
#ifndef PIDNS_H
#define PIDNS_H

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"

struct pidns {
	int sock;	/* between the two */
	pid_t init;	/* as seen from outside */
};

int pidns_enter(struct pidns *ns, bool *inside, struct cr_err *err) CR_MUST;

/* Inside: the tree lives.  Failing, cr-restore ends, and with it the namespace. */
int pidns_tell(struct pidns *ns, pid_t root, struct cr_err *err) CR_MUST;
void pidns_init(struct pidns *ns, pid_t root, bool detached) __attribute__((noreturn));

/* Inside: have the process outside do what it wants to do with the namespace. */
int pidns_ask(struct pidns *ns, struct cr_err *err) CR_MUST;

/* Outside: 0 and the root's pid; -1: it has failed, and said why; *status is
 * what to exit with.  @asked is called for pidns_ask(), with the pid of the
 * namespace's process 1; what it fails with, pidns_ask() does. */
int pidns_await(struct pidns *ns, int (*asked)(pid_t init, struct cr_err *err), pid_t *root,
		int *status);

/* The exit status of the root, as cr-restore gives it. */
int pidns_status(struct pidns *ns);

#endif

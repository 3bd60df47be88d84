/* SPDX-License-Identifier: MIT */
/*
 * Doing something as somebody else: sockets remember which process made them
 * and as which user, and tell their peer (SO_PEERCRED, SCM_CREDENTIALS).
 *
 * creator_run() calls @fn in a process that has the pid and the credentials.
 * When that is not our own one it is another process, for as long as that
 * takes, that shares our descriptor table but not our memory: what @fn leaves
 * must lie in shared memory.  The pid itself is only to be had while nobody
 * has it, so the tree must not be born; else @fn runs in our own process, and
 * only the user is the right one.
 */
#ifndef CREATOR_H
#define CREATOR_H

#include "restore.h"

typedef int (*creator_fn)(struct restore *r, void *ctx, struct cr_err *err);

/* @cred NULL or without a pid: anybody. */
int creator_run(struct restore *r, const Cr__UnixCred *cred, creator_fn fn, void *ctx,
		struct cr_err *err) CR_MUST;

/* An order of credentials; for sorting. */
int creator_compare(const Cr__UnixCred *a, const Cr__UnixCred *b);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * --action-script: network-lock, as soon as the tree is known to be frozen and
 * before anything of a socket is read; network-unlock, when it goes on.
 *
 * That is for a process of its own to see, which stays when this one is killed:
 * a tree that was killed, or that is stopped from now on, keeps its network
 * locked until it is restored.
 *
 * Calling sequence: lock_begin() at the first Task, of the root; lock_end() when
 * the stage has ended.
 */
#ifndef LOCK_H
#define LOCK_H

#include "net.h"
#include "schemas.h"

/* Does nothing the second time.  CR_REFUSED: a command has failed. */
int lock_begin(struct net *n, const Cr__Task *root, struct cr_err *err) CR_MUST;

/* Waits for the unlocking. */
void lock_end(struct net *n);

#endif

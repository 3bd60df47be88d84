/* SPDX-License-Identifier: MIT */
/*
 * Looking at more than the first message of a queue.
 *
 * MSG_PEEK alone always sees the first one; with SO_PEEK_OFF (3.4) each look
 * goes on behind the last.  But that offset is the socket's, so it is the one
 * thing that the dump changes in a target, and an undo list of one entry is
 * kept for it: a watcher process shares our descriptor table, and puts the
 * offset back when we die between peek_begin() and peek_done().  It also holds
 * our stdin, so that the freeze does not see us go, and thaw the tree, before
 * that is done.
 */
#ifndef PEEK_H
#define PEEK_H

#include "net.h"

/* Look from the first message on. */
int peek_begin(struct net *n, int fd, struct cr_err *err) CR_MUST;
/* Put the offset back to what it was. */
int peek_done(struct net *n, struct cr_err *err) CR_MUST;

/* End the watcher, if there is one. */
void peek_end(struct net *n);

#endif

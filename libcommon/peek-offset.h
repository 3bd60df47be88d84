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
 *
 * The watcher is there from the first peek_begin() to peek_end().
 */
#ifndef CR_PEEK_OFFSET_H
#define CR_PEEK_OFFSET_H

#include "err.h"

struct peek_offset;

/* Look from the first message on.  *@p: NULL at first. */
int peek_begin(struct peek_offset **p, int fd, struct cr_err *err) CR_MUST;
/* Put the offset back to what it was. */
int peek_done(struct peek_offset *p, struct cr_err *err) CR_MUST;

/* End the watcher, if there is one. */
void peek_end(struct peek_offset **p);

#endif

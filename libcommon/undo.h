/* SPDX-License-Identifier: MIT */
/*
 * What was changed outside of this process and must be put back: a list that
 * is unwound in reverse order.
 *
 * Push an entry before the change it undoes, so that no instant is without
 * it; an undo function must therefore bear that nothing has changed yet.
 * cr_undo_run() runs and drops all entries, goes on after a failure, and
 * returns how many failed; cr_undo_drop() forgets them when all went well.
 */
#ifndef CR_UNDO_H
#define CR_UNDO_H

#include <stdint.h>

#include "err.h"

struct cr_undo;

typedef int (*cr_undo_fn)(void *ctx, uint64_t arg, struct cr_err *err);

/* @what names it in a message: "bring eth0 up"; copied.  @ctx stays the caller's. */
int cr_undo_push(struct cr_undo **list, const char *what, cr_undo_fn fn, void *ctx, uint64_t arg,
		 struct cr_err *err) CR_MUST;
/* Forget the newest entry: its change was not made after all. */
void cr_undo_pop(struct cr_undo **list);
unsigned int cr_undo_run(struct cr_undo **list);
void cr_undo_drop(struct cr_undo **list);

#endif

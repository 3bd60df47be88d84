/* SPDX-License-Identifier: MIT */
/*
 * Memory that is given out piece by piece and released as a whole.
 *
 * It is shared with processes that are forked later: such a fork need not copy
 * its page tables, nor can it change what is in it for itself alone.  Once it
 * is filled, cr_bump_seal() forbids writing.
 */
#ifndef CR_BUMP_H
#define CR_BUMP_H

#include <stddef.h>

#include "err.h"

struct cr_bump {
	struct cr_bump_chunk *chunks;
	size_t used;	/* of the newest */
};

/* Aligned for anything, zeroed; NULL with errno set. */
void *cr_bump_alloc(struct cr_bump *b, size_t size);
int cr_bump_seal(struct cr_bump *b, struct cr_err *err) CR_MUST;
void cr_bump_release(struct cr_bump *b);

#endif

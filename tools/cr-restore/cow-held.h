/* SPDX-License-Identifier: MIT */
/* What a process holds for itself and for who is made by it: see cow.h. */
#ifndef COW_HELD_H
#define COW_HELD_H

#include "piece.h"
#include "restore.h"

struct held_area {
	struct area as;
	uint64_t at;	/* where it is: .as.start, when that place was free */
};

extern struct held {
	struct held_area *areas;	/* by address */
	size_t n_areas;
	struct piece_list pieces;	/* what is in them; all else was never touched */
} held;

/* That which all of @a could be in; NULL. */
const struct held_area *held_for(const struct area *a);

/* Where it is, and not where it will be. */
static inline uint64_t held_at(const struct held_area *in, uint64_t address)
{
	return in->at + (address - in->as.start);
}

/* Map it, if that can be. */
int held_add(struct restore *r, const struct area *a, struct cr_err *err) CR_MUST;

#endif

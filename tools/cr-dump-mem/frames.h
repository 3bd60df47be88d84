/* SPDX-License-Identifier: MIT */
/* Page frames, and in which process each was seen first: a hash table. */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "pagemap.h"

static inline bool frame_is_shared(uint64_t entry)
{
	return (entry & (CR_PM_EXCLUSIVE | CR_PM_FILE | CR_PM_PRESENT)) == CR_PM_PRESENT;
}

/* The frame of an entry of pagemap when others may have it too, else 0: also
 * for whoever may not know it. */
static inline uint64_t frame_of(uint64_t entry)
{
	return frame_is_shared(entry) ? entry & CR_PM_FRAME : 0;
}

struct frame_user {
	uint32_t lender;
	bool keep_zero;
	uint64_t page;		/* address / 4096 */
};

struct frame {
	uint64_t number;	/* 0: the place is free */
	struct frame_user user;
};

struct frames {
	struct frame *list;
	size_t size;		/* a power of two, or 0 */
	size_t count;
};

/* Who has it already stays. */
int frames_add(struct frames *f, uint64_t number, struct frame_user user,
	       struct cr_err *err) CR_MUST;
const struct frame_user *frames_find(const struct frames *f, uint64_t number);
void frames_clear(struct frames *f);

#endif

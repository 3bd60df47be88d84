/* SPDX-License-Identifier: MIT */
/*
 * Which bytes of numbered files are in runs that have a checksum.
 *
 * cr_cover_add() all of them, then cr_cover_has() as often as wanted, then
 * cr_cover_clear().  A zeroed struct is empty.
 */
#ifndef CR_COVER_H
#define CR_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct cr_cover_run {
	uint32_t file;
	uint64_t start;
	uint64_t end;
};

struct cr_cover {
	struct cr_cover_run *list;
	size_t count;
	bool sorted;
};

/* The end is that of the file's address space when the length is too large. */
int cr_cover_add(struct cr_cover *c, uint32_t file, uint64_t start, uint64_t length,
		 struct cr_err *err) CR_MUST;

/* Is every byte of it in one of the runs?  None is, of no bytes or too many. */
bool cr_cover_has(struct cr_cover *c, uint32_t file, uint64_t start, uint64_t length);

void cr_cover_clear(struct cr_cover *c);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The state of a check: what it has found wrong, and the ids it has seen.
 * Each fault is one line on stderr, with the record it is in; after
 * MAX_FAULTS they are only counted.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdint.h>

#include "cover.h"
#include "err.h"
#include "ids.h"
#include "image.h"
#include "progress.h"
#include "source.h"

struct check {
	const struct source *src;
	const struct cr_record *rec;	/* the one that is looked at */
	uint64_t faults;
	uint64_t records;
	uint64_t bytes;		/* checked in bulk files */
	uint64_t bulk_bytes;	/* in all of them */
	struct cr_progress progress;
	uint64_t root_pid;
	struct ids ids[N_IDS];
	struct cr_image_files pages;	/* PagesFile records, in order */
	unsigned int pages_seen;	/* of them, in the second pass */
	struct cr_cover cover;		/* pages with a checksum; file: 1 + index in .pages */
};

void fault(struct check *c, const char *fmt, ...) CR_PRINTF(2, 3);

#endif

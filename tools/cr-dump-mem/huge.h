/* SPDX-License-Identifier: MIT */
/*
 * Anonymous mappings of huge pages (MAP_HUGETLB).  To the kernel each has a file
 * without a name, which several processes have after a fork(2): what is mapped
 * shared is an object like other shared memory, and of what is mapped private the
 * file is empty and of no interest.
 */
#ifndef HUGE_H
#define HUGE_H

#include "dump.h"
#include "maps.h"

enum huge_kind {
	HUGE_FILE,	/* it is of a file, or of an object: look at that */
	HUGE_PRIVATE,	/* anonymous memory of the process */
	HUGE_CHILD,	/* the same, and another process has made it: what it has not
			 * touched is not reserved for it */
	HUGE_MIXED,	/* private here, and shared elsewhere: not supported */
};

struct huge_files;

int huge_look(struct dump *d, const struct target *t, const struct cr_map *m, const char *name,
	      enum huge_kind *kind, struct cr_err *err) CR_MUST;
void huge_free(struct huge_files *h);

/* To the batch what a process has of its own in [start, end): of each page something,
 * that it is there after the restore as well. */
int huge_spans(struct batch *b, uint64_t start, uint64_t end, uint32_t shift, bool keep_zero,
	       bool forced, struct cr_err *err) CR_MUST;

#endif

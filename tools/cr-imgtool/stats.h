/* SPDX-License-Identifier: MIT */
/* What --stats writes: collected from the stream, printed after the commit. */
#ifndef STATS_H
#define STATS_H

#include <stdint.h>

#include "err.h"
#include "schemas.h"
#include "session.h"

struct stats {
	Cr__Stats **stages;	/* copies of the Stats records */
	unsigned int count;
	uint64_t pages;
	uint64_t bytes;
	uint64_t records;
	uint64_t commit_us;
	struct cr_freeze_times times;
};

int stats_add(struct stats *s, const Cr__Stats *stage, struct cr_err *err) CR_MUST;
int stats_write(const struct stats *s, int fd, struct cr_err *err) CR_MUST;
void stats_clear(struct stats *s);

#endif

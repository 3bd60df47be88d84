/* SPDX-License-Identifier: MIT */
/*
 * How far long work has come: one line on stderr, rewritten a few times a
 * second, when stderr is a terminal and the work has taken more than a second:
 *
 *   cr-dump-mem: pages: 1.2 GiB of 4.0 GiB, 2.1 GiB/s, 2 s left
 *
 * cr_progress_begin(), cr_progress_add() as often as you like (it costs a
 * clock reading at most), cr_progress_wipe() before a message to stderr,
 * cr_progress_end(), which wipes the line too.
 */
#ifndef CR_PROGRESS_H
#define CR_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cr_progress {
	const char *stage;
	uint64_t total;		/* bytes; 0: not known */
	uint64_t done;
	uint64_t began_ns;
	uint64_t next_ns;	/* when to write again */
	bool on;
	bool shown;
};

/* @stage stays the caller's. */
void cr_progress_begin(struct cr_progress *p, const char *stage, uint64_t total);
void cr_progress_add(struct cr_progress *p, uint64_t bytes);
void cr_progress_wipe(struct cr_progress *p);
void cr_progress_end(struct cr_progress *p);

#endif

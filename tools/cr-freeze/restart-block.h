/* SPDX-License-Identifier: MIT */
/*
 * When a call that restart_syscall(2) would continue is to end: the kernel keeps
 * that in the task's restart block, which no system call shows.  It is read from
 * the kernel's memory (kernel-peek.h), where that can be had.
 */
#ifndef RESTART_BLOCK_H
#define RESTART_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct restart_blocks;

/* It takes some milliseconds; NULL: not to be had here. */
struct restart_blocks *restart_blocks_open(void);
void restart_blocks_free(struct restart_blocks *b);

/*
 * How long call @nr of the stopped thread had still to wait at the moment @at_ns
 * (CLOCK_MONOTONIC); false: that cannot be told.
 */
bool restart_block_rest(struct restart_blocks *b, pid_t tid, long nr, uint64_t at_ns,
			uint64_t *rest_ns);

#endif

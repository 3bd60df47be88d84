/* SPDX-License-Identifier: MIT */
/*
 * Following the kernel's objects from member to member (kernel-peek.h): what
 * cannot be read gives 0 and is noted, so that it is asked for once, at the
 * end.  What is read must belong to something that is frozen, or ours.
 */
#ifndef PEEK_H
#define PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel-peek.h"

struct peek {
	struct kernel_peek *kernel;
	char fault[96];
};

/* What went wrong since the last peek_reset(); NULL: nothing. */
const char *peek_fault(const struct peek *p);
void peek_reset(struct peek *p);

uint64_t peek_u64(struct peek *p, uint64_t address);
/* A member of at most 8 bytes of the struct @type at @address; its address; a
 * member that is one bit. */
uint64_t peek_member(struct peek *p, uint64_t address, const char *type, const char *member,
		     size_t size);
uint64_t peek_address(struct peek *p, uint64_t address, const char *type, const char *member);
bool peek_bit(struct peek *p, uint64_t address, const char *type, const char *member);
/* Has this kernel such a member? */
bool peek_has(struct peek *p, const char *type, const char *member);

/* The struct file behind a descriptor of ours. */
uint64_t peek_file(struct peek *p, int fd);
/* The task_struct of a thread. */
uint64_t peek_task(struct peek *p, pid_t tid);

#endif

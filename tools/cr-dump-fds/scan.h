/* SPDX-License-Identifier: MIT */
/*
 * Reading a descriptor table from outside: /proc/PID/fd and /proc/PID/fdinfo.
 *
 * A system call costs about a microsecond where page tables are isolated, so
 * each descriptor gets as few as possible, and large tables are read by two
 * threads: each has a descriptor table of its own, so that what it has opened
 * goes with one close_range() (5.9).
 */
#ifndef SCAN_H
#define SCAN_H

#include "dump.h"

struct slot {
	int fd;
	uint32_t flags;		/* O_*, with O_CLOEXEC */
	uint64_t pos;
	uint32_t mnt_id;
	uint64_t ino;
	char *info;		/* text of fdinfo */
	char *target;
	uint64_t key[4];	/* of its bucket, see files.h */
	struct file *file;
};

struct scan {
	struct slot *slots;	/* by number */
	unsigned int count;
};

int scan_table(const struct process *p, struct scan *out, struct cr_err *err) CR_MUST;
void scan_free(struct scan *s);

#endif

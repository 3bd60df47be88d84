/* SPDX-License-Identifier: MIT */
/*
 * Reading a descriptor table from outside: /proc/PID/fd and /proc/PID/fdinfo.
 *
 * A system call costs about a microsecond where page tables are isolated, so
 * each descriptor gets as few as possible: fdinfo is opened and read but not
 * closed (close_range(), 5.9, closes many at once), the link is read only when
 * fdinfo does not already tell what it says.
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

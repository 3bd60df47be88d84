/* SPDX-License-Identifier: MIT */
/*
 * Reading a descriptor table from outside: from the kernel itself when there
 * are many (kernel-table.h), otherwise /proc/PID/fd and /proc/PID/fdinfo.
 *
 * A system call costs about a microsecond where page tables are isolated, so
 * each descriptor gets as few as possible, and large tables are read by two
 * threads: each has a descriptor table of its own, so that what it has opened
 * goes with one close_range() (5.9).
 */
#ifndef SCAN_H
#define SCAN_H

#include "dump.h"

/* Instead of a path that cannot be read. */
#define SCAN_TOO_LONG "a path that is too long"

struct slot {
	int fd;
	uint32_t flags;		/* O_*, with O_CLOEXEC */
	uint64_t pos;
	uint32_t mnt_id;
	uint64_t ino;
	char *info;		/* text of fdinfo */
	char *target;
	uint64_t identity;	/* of its description, 0: not known */
	dev_t dev;		/* of a plain file, see struct file; else 0 */
	uint64_t key[4];	/* of its bucket, see files.h */
	struct file *file;
};

struct scan {
	struct slot *slots;	/* by number */
	unsigned int count;
};

/* Before the freeze: is there a table so large that the kernel is to be asked? */
void scan_prepare(struct dump *d, pid_t root);

int scan_table(struct dump *d, const struct process *p, struct scan *out,
	       struct cr_err *err) CR_MUST;
/* Only these descriptors of it; after its tree's tables. */
int scan_some(struct dump *d, const struct process *p, const int *fds, unsigned int n,
	      struct scan *out, struct cr_err *err) CR_MUST;
void scan_free(struct scan *s);

#endif

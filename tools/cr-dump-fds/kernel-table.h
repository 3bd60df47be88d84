/* SPDX-License-Identifier: MIT */
/*
 * A descriptor table as the kernel has it, in one read: by a BPF iterator over
 * the open files of a task (task_file, 5.8; of one task only, 6.1).
 *
 * For each descriptor /proc costs half a dozen calls, which make inodes of
 * /proc that nobody needs, and telling descriptions apart a dozen kcmp(2).
 * Here all of that is one row, and two descriptors are of one description
 * exactly when their rows have the same .identity.  It takes a millisecond or
 * two to prepare, before anything is frozen, and pays for large tables.
 *
 * It needs CAP_BPF and CAP_PERFMON, and a kernel that publishes its types;
 * without them kernel_table_open() gives NULL, and /proc says the same.
 */
#ifndef KERNEL_TABLE_H
#define KERNEL_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct kernel_table;

struct kernel_row {
	uint64_t identity;	/* of the description, while it is open */
	uint64_t pos;
	uint64_t ino;
	int fd;
	uint32_t flags;		/* O_*, with O_CLOEXEC */
	uint32_t mnt_id;
	uint32_t mode;		/* S_IFMT and permissions of its inode */
	uint32_t dev_major;	/* of its superblock */
	uint32_t dev_minor;
	bool locks;		/* its inode has, or has had, file locks */
	bool special;		/* it may have an owner (F_SETOWN), or a hint */
	const char *target;	/* as /proc/PID/fd/N says; NULL: too long */
};

struct kernel_table *kernel_table_open(void);
void kernel_table_free(struct kernel_table *t);

/* Rows by number; they are the table's, until it is read again. */
int kernel_table_read(struct kernel_table *t, pid_t tid, struct kernel_row **rows,
		      unsigned int *count, struct cr_err *err) CR_MUST;

#endif

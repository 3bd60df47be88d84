/* SPDX-License-Identifier: MIT */
/*
 * What the kernel knows and no system call tells without taking it away: its
 * memory is read, through a BPF program of our own (BPF_PROG_TYPE_SYSCALL,
 * 5.14), by its own types.  Nothing is written, nothing stays behind.
 *
 * It needs CAP_BPF and CAP_PERFMON and a kernel that publishes its types; it
 * takes some milliseconds to prepare.
 */
#ifndef KERNEL_PEEK_H
#define KERNEL_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_peek;

/* NULL: not to be had here.  What it says of a file of our own has been
 * compared with what fstat(2) says. */
struct kernel_peek *kernel_peek_open(void);
void kernel_peek_free(struct kernel_peek *k);

/* The struct file of a descriptor of ours; 0: not found. */
uint64_t kernel_peek_file(struct kernel_peek *k, int fd);

/* -1: that cannot be read. */
int kernel_peek(struct kernel_peek *k, uint64_t addr, void *buf, size_t len);

/* Where a member is, in bits from the start of struct NAME; -1: there is none.
 * NAME must stay. */
int64_t kernel_peek_where(struct kernel_peek *k, const char *name, const char *path);
/* Member "a" or "a.b" of the struct NAME that is at @addr, @len bytes. */
int kernel_peek_member(struct kernel_peek *k, uint64_t addr, const char *name, const char *path,
		       void *buf, size_t len);
/* One that is a single bit. */
int kernel_peek_bit(struct kernel_peek *k, uint64_t addr, const char *name, const char *path,
		    bool *out);

#endif

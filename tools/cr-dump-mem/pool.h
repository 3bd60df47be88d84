/* SPDX-License-Identifier: MIT */
/*
 * Copying of pages into the pages file, in worker threads.
 *
 * The file is laid out when a batch is added; a unit of at most UNIT bytes is
 * read into a buffer that stays in the cache, checksummed there, and written.
 * process_vm_readv(2) and pwrite(2) by two threads are the fastest that could
 * be measured (3-4 GB/s to tmpfs): mapping the file costs ten times as much in
 * page faults, splicing needs the task itself.
 *
 * pool_open(); pool_add() as often as needed, which returns at once; then
 * pool_wait(), and the results are in the batches.  Long runs of zero pages are
 * left out: they come back as untouched memory.
 */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "schemas.h"

struct pool;
struct loan;

struct span {
	uint64_t address;	/* in the process or the object */
	uint64_t length;
	bool forced;		/* by /proc/PID/mem: no PROT_READ, or shared (see loans.h) */
	bool keep_zero;		/* zeros hide what a file has there */
};

struct batch {
	struct batch *next;
	pid_t pid;
	pid_t eye;		/* of the target: whose memory is read */
	uint32_t shmem;		/* id of the object, 0: pages of the process */
	uint64_t blank;		/* bytes from there on to .blank_end are not the process's own */
	uint64_t blank_end;
	int fd;			/* the object, or /proc/PID/mem; -1: none is needed */
	struct span *spans;	/* in order of address */
	size_t n_spans;
	struct loan *loans;	/* pages that another batch has: see loans.h; in order, too */
	size_t n_loans;
	/* Results, in order of address; the worker's own until pool_wait(). */
	struct unit *units;
	size_t n_units;
	bool copied;		/* by the thread that added it */
	uint64_t bad_address;	/* of the first page that could not be read */
	uint64_t n_bad;
};

struct unit {
	Cr__Extent *extents;
	size_t n_extents;
	/* What it is to read. */
	size_t span;
	uint64_t skip;		/* in that span */
	uint64_t length;
	uint64_t offset;	/* in the pages file */
};

struct pool_totals {
	uint64_t bytes;		/* asked for */
	uint64_t written;
	uint64_t zero;		/* left out */
};

/* @fd: the pages file; stays the caller's. */
int pool_open(int fd, struct pool **out, struct cr_err *err) CR_MUST;
void pool_free(struct pool *p);

struct batch *batch_new(pid_t pid, pid_t eye, struct cr_err *err) CR_MUST;
int batch_span(struct batch *b, const struct span *s, struct cr_err *err) CR_MUST;
void batch_free(struct batch *b);

/* About so many bytes will come: make room for them now, where that helps, and
 * start the threads that they need. */
void pool_reserve(struct pool *p, uint64_t bytes);

/* Takes the batch in any case. */
int pool_add(struct pool *p, struct batch *b, struct cr_err *err) CR_MUST;

/* Until all is written; shows the progress. */
int pool_wait(struct pool *p, struct cr_err *err) CR_MUST;

struct batch *pool_batches(const struct pool *p);
void pool_totals(const struct pool *p, struct pool_totals *out);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Private pages that a process still shares, copy on write, with one that was
 * dumped before: after fork(2) both have the same page frame.  Such a page is
 * not read and written again; its extent says where the other's bytes are.
 *
 * loans_take() before a batch goes to the pool, loans_add() behind that,
 * for each process in the order of the dump.
 *
 * Frames are told by /proc/PID/pagemap, which says them only to those with
 * CAP_SYS_ADMIN (4.2), and only pages that it does not call exclusive
 * (PM_MMAP_EXCLUSIVE) are compared.  A frame may move while we look: the
 * lender's is read again behind the borrower's, so that both had it at once.
 * Whatever is not certain is copied.
 *
 * process_vm_readv(2) would end the sharing: what it pins, the kernel makes
 * the process's own first (5.19).  So pages that are shared are read through
 * /proc/PID/mem, which leaves them where they are.
 *
 * Processes without a common past are not compared: only those with the same
 * auxiliary vector are, and the addresses in that change with each execve(2).
 */
#ifndef LOANS_H
#define LOANS_H

#include <stddef.h>

#include "pool.h"

struct loans;

/* Pages of a batch that are those of another. */
struct loan {
	uint64_t address;
	uint64_t length;
	const struct batch *from;
	uint64_t from_address;
};

int loans_new(struct loans **out, struct cr_err *err) CR_MUST;
void loans_free(struct loans *l);

/* Move out of the spans of @b what others have: to its loans. */
int loans_take(struct loans *l, struct batch *b, const void *auxv, size_t auxv_len,
	       struct cr_err *err) CR_MUST;

/* Now that it is laid out, others may borrow from the last batch taken, @b. */
void loans_add(struct loans *l, const struct batch *b);

/* Call @put for each extent of a loan, once the pool has written everything. */
int loan_extents(const struct loan *loan,
		 int (*put)(void *ctx, const Cr__Extent *e, struct cr_err *err), void *ctx,
		 struct cr_err *err) CR_MUST;

#endif

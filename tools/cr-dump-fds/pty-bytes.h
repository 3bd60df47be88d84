/* SPDX-License-Identifier: MIT */
/*
 * What is on its way through a pty: a line that is typed and not ended, bytes
 * that nobody has read yet, a stopped output.  System calls do not tell it, or
 * take it away; so the kernel is looked at (kernel-peek.h).
 */
#ifndef PTY_BYTES_H
#define PTY_BYTES_H

#include "kernel-peek.h"
#include "stage.h"

struct pty_bytes {
	uint8_t *input;
	uint8_t *output;
	uint32_t *ends;
};

/*
 * Fill @m's input, output, line_ends and stops; they point into @b, which
 * pty_bytes_free() frees.  @fd is a descriptor of ours, the master; or the slave
 * when the record says that it is an orphan, whose output its old master has.
 * Returns 0; 1 with the reason in @why (at least 96 bytes) when it cannot be
 * carried; -1 with *err.
 */
int pty_bytes_look(struct kernel_peek *k, int fd, Cr__Terminal *m, struct pty_bytes *b, char *why,
		   size_t size, struct cr_err *err) CR_MUST;
void pty_bytes_free(struct pty_bytes *b);

#endif

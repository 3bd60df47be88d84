/* SPDX-License-Identifier: MIT */
/* Copying one unit of pages: the work of a pool's thread. */
#ifndef COPY_H
#define COPY_H

#include <sys/uio.h>

#include "pool.h"

#define COPY_BUF (256u << 10)	/* at most: 64 pages, for a mask of as many bits */
#define COPY_PIECES 64		/* at most: one a page of the buffer */

struct copier {
	int out;
	bool punch;		/* room for the pages was made: give back what is left out */
	uint8_t *buf;
	size_t size;
	struct span pieces[COPY_PIECES];
	unsigned int n_pieces;
	struct iovec iov[COPY_PIECES];
	uint64_t written;
	uint64_t zero;
	uint64_t bad_address;
	uint64_t n_bad;
};

int copier_init(struct copier *c, int out, size_t size, struct cr_err *err) CR_MUST;
void copier_release(struct copier *c);

int copy_unit(struct copier *c, const struct batch *b, struct unit *u, struct cr_err *err) CR_MUST;

#endif

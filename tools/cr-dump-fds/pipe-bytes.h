/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a pipe, without taking them: tee(2) makes a second pipe refer
 * to the same pages, and that one is read.
 *
 * A read from a pipe of packets (O_DIRECT) returns one packet, so their
 * boundaries are seen; a pipe with room for one page takes just one buffer by
 * tee(2), which shows for each whether it is a packet.
 */
#ifndef PIPE_BYTES_H
#define PIPE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct pipe_piece {
	uint32_t length;
	bool packet;
};

struct pipe_bytes {
	uint8_t *data;
	size_t len;
	struct pipe_piece *pieces;	/* NULL: all of it is a stream */
	size_t n_pieces;
};

/* @fd: its read end; @capacity as F_GETPIPE_SZ says; @packets: expect some.
 * CR_REFUSED when the kernel lets us make no pipe as large. */
int pipe_bytes_read(int fd, int capacity, bool packets, struct pipe_bytes *out,
		    struct cr_err *err) CR_MUST;
void pipe_bytes_free(struct pipe_bytes *b);

#endif

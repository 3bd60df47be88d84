/* SPDX-License-Identifier: MIT */
/*
 * All AF_UNIX sockets of our network namespace, from one dump of sock_diag
 * (3.3): what no descriptor of them tells.
 */
#ifndef CR_UNIX_DIAG_H
#define CR_UNIX_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct cr_unix_diag {
	uint32_t ino;
	uint8_t type;		/* SOCK_* */
	uint8_t state;		/* TCP_ESTABLISHED, TCP_LISTEN, TCP_CLOSE */
	uint8_t shutdown;	/* 1: receiving, 2: sending */
	bool has_peer;
	uint32_t peer;		/* inode; 0: it is closed, or has not been accepted */
	bool has_file;
	uint32_t file_dev;	/* as the kernel has it: major << 20 | minor */
	uint32_t file_ino;	/* its lower 32 bits */
	uint32_t rqueue;	/* bytes; of a listener: connections that wait */
	uint32_t wqueue;	/* ... of a listener: its backlog */
	const uint8_t *name;	/* sun_path */
	size_t name_len;
	const uint32_t *pending;	/* inodes of the clients that wait */
	size_t n_pending;
};

/* Calls @each for every socket; what it points to is gone afterwards. */
int cr_unix_diag(int (*each)(void *ctx, const struct cr_unix_diag *s, struct cr_err *err),
		 void *ctx, struct cr_err *err) CR_MUST;

#endif

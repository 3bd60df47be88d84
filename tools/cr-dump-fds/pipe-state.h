/* SPDX-License-Identifier: MIT */
/*
 * What pipes and fifos have in common: the bytes, and who has the other end.
 * Descriptions are noted while they are found, pipe_state_put() comes when all
 * have been seen.
 */
#ifndef PIPE_STATE_H
#define PIPE_STATE_H

#include "dump.h"

struct pipe_state {
	uint32_t id;	/* of the PipeData */
	struct file *reader;	/* a description that can read, one that can write */
	struct file *writer;
	unsigned int n_writers;
	bool packets;
	bool async;	/* somebody gets signals (O_ASYNC) */
};

void pipe_state_note(struct pipe_state *p, struct file *f);

enum pipe_end {
	PIPE_INSIDE,	/* both ends are in the tree, or the other one is closed */
	PIPE_HANGUP,	/* no writer any more */
	PIPE_OUTSIDE,
	PIPE_UNKNOWN,	/* a fifo's reader that never had a writer, or has one elsewhere */
};
/* @fd: a descriptor of ours of reader or writer. */
enum pipe_end pipe_state_end(const struct pipe_state *p, int fd);

/* Write the PipeData, or refuse what cannot be read; @kind is for that. */
int pipe_state_put(struct dump *d, const struct pipe_state *p, int fd, const char *kind,
		   struct cr_err *err) CR_MUST;

/* Is it open outside of the tree?  Says so in @what in any case, and where when
 * that can be found out. */
bool pipe_state_outside(const struct dump *d, const struct file *f, char *what, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Deleted files: each is carried in the image once, whoever refers to it.
 * cr-dump-mem may have written some already, so this is only for what comes
 * after the end of input.
 */
#ifndef GHOSTS_H
#define GHOSTS_H

#include "dump.h"

/* A Ghost record of the stream. */
int ghosts_note(struct dump *d, const Cr__Ghost *g, struct cr_err *err) CR_MUST;

enum ghost_result {
	GHOST_DONE,
	GHOST_REFUSED,	/* *err says why */
};

struct ghost_hint {
	bool tmpfile;
	bool memfd;
	bool embedded;
	bool link;	/* it has other links */
	uint32_t seals;
	uint64_t limit;
};

/*
 * Make @ref refer to the nameless file @fd, which the kernel calls @path.
 * An enum ghost_result, or -1.
 */
int ghosts_ref(struct dump *d, int fd, const char *path, const struct ghost_hint *hint,
	       Cr__FileRef *ref, struct cr_err *err) CR_MUST;

/* The same of a file that is deleted and may have other links, for which the
 * options decide. */
int ghosts_ref_or_link(struct dump *d, int fd, const char *path, struct ghost_hint hint,
		       Cr__FileRef *ref, const char **remedy, struct cr_err *err) CR_MUST;

/* Carry a copy of the file that @ref leads to (--embed-files). */
int ghosts_embed(struct dump *d, int fd, Cr__FileRef *ref, struct cr_err *err) CR_MUST;

void ghosts_free(struct dump *d);

#endif

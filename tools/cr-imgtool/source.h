/* SPDX-License-Identifier: MIT */
/*
 * An image or a stream in a file, by its path: a directory stands for its
 * manifest.  source_open(), source_each() as often as wanted, source_close().
 */
#ifndef SOURCE_H
#define SOURCE_H

#include "err.h"
#include "stream.h"

struct source {
	const char *path;
	int fd;
	int dirfd;	/* the directory it lies in */
};

int source_open(const char *path, struct source *s, struct cr_err *err) CR_MUST;
void source_close(struct source *s);

/* @msg: the decoded payload, NULL of a kind that is not known and optional. */
typedef int (*source_fn)(void *ctx, const struct cr_record *rec, const void *msg,
			 struct cr_err *err);

/* All records from the first to End; stops when @fn returns a negative value. */
int source_each(const struct source *s, source_fn fn, void *ctx, struct cr_err *err) CR_MUST;

#endif

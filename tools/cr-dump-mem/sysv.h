/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory: a segment that the tree alone has attached is carried
 * like any shared object, with its id and key.
 *
 * sysv_look() for each segment once, sysv_note() for each mapping of it, and
 * sysv_finish() when all mappings have been seen: the kernel counts them all.
 */
#ifndef SYSV_H
#define SYSV_H

#include <sys/stat.h>

#include "dump.h"
#include "files.h"

/* 1: refused, m->kind says why.  @fd can be read. */
int sysv_look(struct dump *d, int fd, const struct stat *sb, struct mapped *m,
	      struct cr_err *err) CR_MUST;
/* What is wrong with this mapping of it?  NULL: nothing. */
const char *sysv_note(struct dump *d, const struct mapped *m, const struct cr_map *map, pid_t pid);
int sysv_finish(struct dump *d, struct cr_err *err) CR_MUST;

#endif

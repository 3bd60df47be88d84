/* SPDX-License-Identifier: MIT */
/*
 * Where a deleted file stands for a moment while it is made: under its former
 * name, so that the kernel shows that name, with the directories that lead to
 * it when they are gone too.
 *
 * Calling sequence: place_share() before the watcher is forked; for each file
 * place_open(), which makes the directories, place_show() or place_make(),
 * place_hide(), place_close().  All of it is written down in memory that the
 * watcher shares, and place_undo() removes what is left after a failure.
 */
#ifndef GHOST_PLACE_H
#define GHOST_PLACE_H

#include "restore.h"

struct place;

int place_share(struct restore *r, struct cr_err *err) CR_MUST;

/* Is the directory of that path there? */
bool place_is_there(const char *path);
/* 0: a file can be made there; else an errno. */
int place_check(const char *path);

/* Of the file system that it will be on: see hugetlb.h. */
uint32_t place_huge_shift(const char *path);

int place_open(struct place *p, const char *path, struct cr_err *err) CR_MUST;
/* Where it is. */
const char *place_path(const struct place *p);
/* The directory it is in. */
int place_dir(const struct place *p, char *dir, size_t size);

/* Give the file @fd the name, or one like it when there is such a file; then
 * place_path() is the new one. */
int place_show(struct place *p, int fd, struct cr_err *err) CR_MUST;
/* Make what @make makes at a path, which returns a descriptor or -1 and errno,
 * with the same names.  Returns the descriptor. */
int place_make(struct place *p, int (*make)(const Cr__Ghost *g, const char *path),
	       const Cr__Ghost *g, struct cr_err *err) CR_MUST;
int place_hide(struct place *p, struct cr_err *err) CR_MUST;

void place_close(struct place *p);
void place_undo(struct restore *r);

#endif

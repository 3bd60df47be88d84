/* SPDX-License-Identifier: MIT */
/*
 * Directories that are watched by F_NOTIFY.  Neither fcntl(2) nor fdinfo tells of
 * it: it is read from the kernel's memory.
 */
#ifndef DNOTIFY_H
#define DNOTIFY_H

#include "dump.h"

/* Add to @m what the processes of the tree have asked for with description @f,
 * a directory that has, or had, an owner.  1: refused.  The caller frees with
 * dnotify_release(). */
int dnotify_fill(struct dump *d, const struct file *f, Cr__FileOwner *m,
		 struct cr_err *err) CR_MUST;
void dnotify_release(Cr__FileOwner *m);

#endif

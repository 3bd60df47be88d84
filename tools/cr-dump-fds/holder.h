/* SPDX-License-Identifier: MIT */
/* Who outside of the tree has a thing open?  A look at all of /proc. */
#ifndef HOLDER_H
#define HOLDER_H

#include "dump.h"

struct holder {
	pid_t pid;
	char comm[64];
};

/* A file with that device and inode, or with @rdev when that is not 0. */
bool holder_find(const struct dump *d, dev_t dev, ino_t ino, dev_t rdev, struct holder *out);

/*
 * The same for a pipe of pipe(2) and for slave @number of the devpts on @dev, of
 * any when that is 0, for many of them: /proc is looked at once, when all of the
 * tree is frozen.
 */
bool holder_of_pipe(struct dump *d, ino_t ino, struct holder *out);
bool holder_of_pty(struct dump *d, dev_t dev, unsigned int number, struct holder *out);

/* "it is open outside of the tree too, in pid N (NAME)" */
void holder_describe(const struct holder *h, char *what, size_t size);
void holders_free(struct dump *d);

#endif

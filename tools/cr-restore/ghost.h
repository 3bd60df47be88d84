/* SPDX-License-Identifier: MIT */
/*
 * Deleted files (Ghost records): the restorer makes each again where it was,
 * keeps an O_PATH descriptor of it, and deletes it at once.  Whoever needs the
 * file opens it through that descriptor.
 */
#ifndef GHOST_H
#define GHOST_H

#include "restore.h"

int ghosts_check(struct restore *r, struct cr_err *err) CR_MUST;
int ghosts_make(struct restore *r, struct cr_err *err) CR_MUST;
/* The tree lives: the names that the dump has given to files go, unless other
 * copies of the tree are to be made. */
void ghosts_remove_links(const struct restore *r);

#endif

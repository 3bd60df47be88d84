/* SPDX-License-Identifier: MIT */
/* Owner and mode of what has no name of its own: pipes, sockets, ptys. */
#ifndef NODE_H
#define NODE_H

#include "restore.h"

/* Give @fd, which is @what, the owner and the mode that @node says, when it has
 * others; NULL: it keeps what it has. */
int node_set(int fd, const Cr__Node *node, const char *what, struct cr_err *err) CR_MUST;

#endif

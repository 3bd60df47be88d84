/* SPDX-License-Identifier: MIT */
/* How a committed freeze ends: --then. */
#ifndef FINISH_H
#define FINISH_H

#include "tree.h"

enum finish { FINISH_RESUME, FINISH_STOP, FINISH_KILL };

/* @killed: called when the first processes have been killed, and end. */
void finish_tree(struct cr_tree *tree, enum finish how, void (*killed)(void *), void *ctx);

#endif

/* SPDX-License-Identifier: MIT */
/* fanotify: the marks are set when the tree is whole. */
#ifndef FANOTIFY_H
#define FANOTIFY_H

#include "restore.h"

int fanotify_restore(struct restore *r, struct cr_err *err) CR_MUST;

#endif

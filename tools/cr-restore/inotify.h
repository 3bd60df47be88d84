/* SPDX-License-Identifier: MIT */
/*
 * inotify: the watches are added when every process has opened all its files,
 * from the restorer, so that none of that is told as an event.
 */
#ifndef INOTIFY_H
#define INOTIFY_H

#include "restore.h"

int inotify_restore(struct restore *r, struct cr_err *err) CR_MUST;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What must be true before anything is created: the host fits the image, the
 * pids are free, the files are there.  All that is wrong is named at once.
 */
#ifndef CHECK_H
#define CHECK_H

#include "restore.h"

/* What sockets and files in messages that nobody can receive any more have, the
 * kernel collects when it has time: names and locks are waited for so long. */
#define COLLECT_MS 500
#define COLLECT_LOOK_MS 10

/* 0: all is well; -1 with CR_REFUSED after naming everything, or an error. */
int check_all(struct restore *r, struct cr_err *err) CR_MUST;

#endif

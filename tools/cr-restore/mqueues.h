/* SPDX-License-Identifier: MIT */
/* POSIX message queues: the record's own; see mqueue.c. */
#ifndef MQUEUES_H
#define MQUEUES_H

#include "restore.h"

/* The restore has failed: take away the queues that it has made. */
void mqueues_undo(void);

#endif

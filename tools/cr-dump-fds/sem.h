/* SPDX-License-Identifier: MIT */
/*
 * System V semaphores.  The sets belong to the machine and stay there; but
 * what a process has asked the kernel to undo at its end (SEM_UNDO) cannot be
 * read, and is done when the dumped process is killed.
 */
#ifndef SEM_H
#define SEM_H

#include "dump.h"

/* Refuse a process that has, as far as can be seen, something to be undone. */
int sem_check(struct dump *d, const struct process *p, const Cr__Task *task,
	      struct cr_err *err) CR_MUST;

void sem_free(struct dump *d);

#endif

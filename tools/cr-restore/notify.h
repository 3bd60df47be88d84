/* SPDX-License-Identifier: MIT */
/* --notify and --notify-fd: the root can know that it was restored. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "restore.h"
#include "vec.h"

#define NOTIFY_VALUE 0x6372	/* si_value.sival_int: "cr" */

/* "USR2", "SIGUSR2", "RTMIN+3" or a number; 0: it is none. */
int notify_parse(const char *name);

/* Behind all other signals of the process, in the root's vector. */
int notify_build(const struct restore *r, const struct task_image *t, struct vec *v,
		 struct arena *a, struct cr_err *err) CR_MUST;

/* Has the root such a descriptor, and can a write to it be no harm? */
void notify_check(struct restore *r);

/* When all is done but the last step: what cannot be written is told only. */
void notify_write(const struct restore *r);

#endif

/* SPDX-License-Identifier: MIT */
/* Properties of a process that are files of their own in /proc/PID. */
#ifndef PROPERTIES_H
#define PROPERTIES_H

#include <sys/types.h>

#include "err.h"
#include "schemas.h"

int properties_fill(pid_t pid, Cr__Task *m, struct cr_err *err) CR_MUST;

/* A security label of a process, file FILE of /proc/PID/attr; NULL: there are no
 * labels.  Valid until the next call. */
const char *properties_label(pid_t pid, const char *file);

#endif

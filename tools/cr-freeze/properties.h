/* SPDX-License-Identifier: MIT */
/* Properties of a process that are files of their own in /proc/PID. */
#ifndef PROPERTIES_H
#define PROPERTIES_H

#include <sys/types.h>

#include "err.h"
#include "schemas.h"

int properties_fill(pid_t pid, Cr__Task *m, struct cr_err *err) CR_MUST;

#endif

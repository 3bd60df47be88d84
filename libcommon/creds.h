/* SPDX-License-Identifier: MIT */
/*
 * Credentials of a thread as /proc/PID/task/TID/status shows them.
 *
 * cr_creds_parse() fills an initialised message from the text; its groups are
 * malloc'ed: cr_creds_release().
 */
#ifndef CR_CREDS_H
#define CR_CREDS_H

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"
#include "schemas.h"

/* @pid is for messages. */
int cr_creds_parse(pid_t pid, const char *status, Cr__Creds *c, struct cr_err *err) CR_MUST;
void cr_creds_release(Cr__Creds *c);

/* The same identity and rights? */
bool cr_creds_equal(const Cr__Creds *a, const Cr__Creds *b);

#endif

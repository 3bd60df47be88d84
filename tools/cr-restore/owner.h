/* SPDX-License-Identifier: MIT */
/*
 * Owners of open file descriptions (F_SETOWN_EX, F_SETSIG, O_ASYNC): set when
 * all processes and threads are there, from the restorer, since the owner may
 * be any of them.
 */
#ifndef OWNER_H
#define OWNER_H

#include "restore.h"

int owners_restore(struct restore *r, struct cr_err *err) CR_MUST;

#endif

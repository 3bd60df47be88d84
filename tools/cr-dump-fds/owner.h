/* SPDX-License-Identifier: MIT */
/*
 * Owners of open file descriptions: F_SETOWN_EX, F_SETSIG, O_ASYNC.  They are
 * looked at when a description is first seen and written when all processes
 * are known, since an owner outside of the tree is refused.
 */
#ifndef OWNER_H
#define OWNER_H

#include "dump.h"

struct owner;

/* @fd: a descriptor of ours for @f, not O_PATH. */
int owner_look(struct dump *d, struct file *f, int fd, struct cr_err *err) CR_MUST;
int owners_finish(struct dump *d, struct cr_err *err) CR_MUST;

#endif

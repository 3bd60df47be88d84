/* SPDX-License-Identifier: MIT */
/*
 * CLOCK_MONOTONIC and CLOCK_BOOTTIME of the tree, which begin anew with each
 * boot: a warning when they would go backward, and with --time-ns a time
 * namespace (5.6) in which they go on from the moment of the dump.
 *
 * The root is made between clocks_enter() and clocks_leave(); the restorer has
 * no second thread then.
 */
#ifndef CLOCKS_H
#define CLOCKS_H

#include "restore.h"

void clocks_check(struct restore *r);
int clocks_enter(struct restore *r, struct cr_err *err) CR_MUST;
int clocks_leave(struct restore *r, struct cr_err *err) CR_MUST;

#endif

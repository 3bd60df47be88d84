/* SPDX-License-Identifier: MIT */
/*
 * Where in a process there are executable bytes that nobody uses: room for the
 * exit code of an agent (inject.h), which must be found by whoever looks for
 * what a killed owner has left.
 *
 * First of all these are the zeroes behind the code of its vDSO.  A process that
 * has unmapped or protected that has them behind the code of its program and
 * libraries: the rest of the last page of an executable segment belongs to none,
 * and is zero.  What is written there is a private copy of that page, which no
 * other process and not the file has.  Of several such places one that has an
 * exit code already is taken, so that nothing is ever left in two.
 *
 * The process should be frozen.  Errors: CR_SYSTEM.
 */
#ifndef CR_ROOM_H
#define CR_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct cr_room {
	uint64_t at;		/* 0: there is none */
	size_t size;
	bool used;		/* something is written there */
	bool in_file;		/* not in the vDSO: a page that a dump reads */
};

int cr_room_find(pid_t pid, struct cr_room *room, struct cr_err *err) CR_MUST;

/* The same for a process that has no vDSO which it can execute. */
int cr_room_in_files(pid_t pid, struct cr_room *room, struct cr_err *err) CR_MUST;

/* Has a vDSO of this kernel room enough? */
int cr_room_in_vdso(bool *yes, struct cr_err *err) CR_MUST;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Named fault points for the tests of the law of no harm.
 *
 * CR_FAULT=name makes the process kill itself with SIGKILL at that point,
 * CR_FAULT=PROG:name only in the program PROG, and ":N" behind the name at the
 * Nth passing.  CR_FAULT=log:FILE appends the names of the points that are
 * passed to FILE instead, "PROG:name" a line.  A point costs one load and a
 * branch when CR_FAULT is not set.
 */
#ifndef CR_FAULT_H
#define CR_FAULT_H

extern const char *cr_fault_name;	/* NULL: off */
void cr_fault_hit(const char *name);

#define cr_fault(name)                     \
	do {                               \
		if (cr_fault_name)         \
			cr_fault_hit(name); \
	} while (0)

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Arguments of a call that is typed by hand: numbers go into registers, the
 * rest into the vector's data, with the offset as the argument.
 *
 *	12 -1 0x1f	numbers
 *	b:SIZE		a buffer of zero bytes, printed after the call
 *	x:HEX		bytes
 *	s:TEXT		a string, also one that looks like something else
 *	other		a string
 */
#ifndef ARGS_H
#define ARGS_H

#include <stdint.h>
#include <stdio.h>

#include "inject.h"

#define ARGS_MAX 6

struct args {
	int64_t value[ARGS_MAX];	/* or the offset in .data */
	uint32_t in_data;	/* bit i: value[i] is an offset */
	uint32_t size[ARGS_MAX];	/* of a buffer to be printed, else 0 */
	unsigned int count;
	uint8_t data[CR_AGENT_DATA];
	uint32_t used;
};

/* @first: how many bytes of the data are the caller's own. */
int args_parse(struct args *a, char **argv, int argc, uint32_t first, struct cr_err *err) CR_MUST;

/* Room in the data, aligned to 16 bytes: its offset. */
int args_reserve(struct args *a, size_t size, uint32_t *offset, struct cr_err *err) CR_MUST;

/* The buffers, one a line: arg 2: "text\n".  Zero bytes at the end are left out. */
void args_print_buffers(FILE *out, const struct args *a);

#endif

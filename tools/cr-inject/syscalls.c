/* SPDX-License-Identifier: MIT */
#include "syscalls.h"

#include <stddef.h>
#include <string.h>

static const struct {
	long nr;
	const char *name;
} table[] = {
#define SYSCALL(name, nr) { nr, #name },
#include "syscalls.inc"
#undef SYSCALL
};

const char *syscall_name(long nr)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].nr == nr)
			return table[i].name;
	return NULL;
}

long syscall_number(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].nr;
	return -1;
}

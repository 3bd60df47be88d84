/* SPDX-License-Identifier: MIT */
/* Names of system calls, from the kernel's headers at build time. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

/* NULL: the headers have none. */
const char *syscall_name(long nr);
/* -1: unknown. */
long syscall_number(const char *name);

#endif

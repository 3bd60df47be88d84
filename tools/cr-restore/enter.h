/* SPDX-License-Identifier: MIT */
/* What depends on the architecture in cr-restore: arch/MACHINE/enter.c. */
#ifndef ENTER_H
#define ENTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../pie/agent.h"
#include "err.h"

/* Leave C for good: run the agent on a stack of its own. */
void enter_agent(void *entry, void *stack_top, struct cr_agent_ctl *ctl) __attribute__((noreturn));

/* clone3(2) of what goes on in fn(arg) on a stack of its own; -1 and errno. */
long enter_clone(void *clone_args, size_t size, void (*fn)(void *), void *arg);

/* A system call that leaves errno alone. */
long raw_syscall(long nr, long a, long b, long c, long d, long e);

/* Offset of a system call instruction in @code; 0: none. */
uint64_t find_syscall_insn(const uint8_t *code, size_t size);

/* The state components that are in use in a saved XSAVE area. */
uint64_t xstate_features(const uint8_t *area, size_t size);

/* Are its rights to protection keys those that Linux gives to everybody? */
bool xstate_default_rights(const uint8_t *area, size_t size);

/* Write it into @own, the area of a thread as this CPU has it, leaving out what
 * that has no room for; false: it is too short to be one. */
bool xstate_fit(const uint8_t *area, size_t size, uint8_t *own, size_t own_size) CR_MUST;

#endif

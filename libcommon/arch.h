/* SPDX-License-Identifier: MIT */
/*
 * What depends on the architecture of the traced tasks: arch/MACHINE/.
 * Another architecture is another folder with these functions.
 */
#ifndef CR_ARCH_H
#define CR_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#include "../pie/agent.h"

/* Registers that make system call @nr at @ip; nothing restarts on the way.
 * Where an exit code follows, it lets the interrupted call go on. */
void cr_arch_call_regs(struct user_regs_struct *regs, uint64_t ip, long nr, const uint64_t args[6]);
/* Registers that enter the agent with @arg on the stack that ends at @stack_top. */
void cr_arch_enter_regs(struct user_regs_struct *regs, uint64_t entry, uint64_t stack_top,
			uint64_t arg);
long cr_arch_result(const struct user_regs_struct *regs);

/* How the system call that the stop interrupted is to be taken up again. */
enum cr_restart cr_arch_restart(const struct user_regs_struct *regs);

/* Number and arguments of the system call the thread is in, -1: in none. */
long cr_arch_syscall(const struct user_regs_struct *regs, uint64_t args[6]);
void cr_arch_set_syscall_nr(struct user_regs_struct *regs, long nr);

/* The call has returned this; the call that restart_syscall(2) would continue
 * begins from the start instead. */
void cr_arch_set_result(struct user_regs_struct *regs, int64_t result);
void cr_arch_restart_whole(struct user_regs_struct *regs);

/*
 * Some calls give EINTR for any interruption, even when no handler has run
 * (signal(7): "The following interfaces are never restarted").  Turn that into
 * a result that the kernel makes EINTR of when a handler runs, and otherwise a
 * restart, with its whole time limit.  True: the registers have changed.
 */
bool cr_arch_take_up(struct user_regs_struct *regs);

/* 64-bit code of this architecture? */
bool cr_arch_native(const struct user_regs_struct *regs);

/*
 * The exit code of one thread: see inject.h.  Written for the address @at;
 * returns its length, 0 when @size is too small.
 */
#define CR_EXIT_CODE_MAX 320
struct cr_exit_code {
	uint64_t syscall;	/* the system call instruction it starts with */
	uint64_t leave;		/* what follows it, see leave() in pie/arch/ */
};

/*
 * What a thread does first on its way out: with @word 0 detach the address in
 * the result register, else set the 32-bit word there to 0 and wake a waiter
 * (by a system call, so that it does not matter whether the word is mapped).
 */
size_t cr_arch_exit_code(uint8_t *buf, size_t size, uint64_t at,
			 const struct user_regs_struct *regs, uint64_t sigmask, uint64_t word,
			 struct cr_exit_code *out);

#endif

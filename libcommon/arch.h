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
#include <sys/types.h>
#include <sys/user.h>

#include "../pie/agent.h"

/* Registers that make system call @nr at @ip; nothing restarts on the way. */
void cr_arch_call_regs(struct user_regs_struct *regs, uint64_t ip, long nr, const uint64_t args[6]);
/* Registers that enter the agent with @arg on the stack that ends at @stack_top. */
void cr_arch_enter_regs(struct user_regs_struct *regs, uint64_t entry, uint64_t stack_top,
			uint64_t arg);
long cr_arch_result(const struct user_regs_struct *regs);
uint64_t cr_arch_instruction_pointer(const struct user_regs_struct *regs);
uint64_t cr_arch_stack_pointer(const struct user_regs_struct *regs);

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

/* Does the CPU have registers that a thread has room for only when it uses them (AMX)? */
bool cr_arch_has_tiles(void);

/* Has it protection keys of user memory, and does the kernel use them (4.6)? */
bool cr_arch_has_pkeys(void);

/* May the thread, which is stopped for its tracer, not read or not write memory of
 * the key 0?  -1: ptrace(2) failed. */
int cr_arch_lacks_key_0(pid_t tid);

/* Where a component of the XSAVE area ends, in the format that ptrace(2) has. */
size_t cr_arch_xstate_end(unsigned int component);

/* Bytes that XSAVE writes with all that the kernel has enabled. */
size_t cr_arch_xsave_size(void);

/* One turn of a loop that waits for memory to change. */
void cr_arch_relax(void);

/* 64-bit code of this architecture? */
bool cr_arch_native(const struct user_regs_struct *regs);

/* Is it a call in which a thread may wait for the end of a vfork? */
bool cr_arch_may_vfork(long nr);

/*
 * The exit code of one thread: see inject.h.  Written for the address .at;
 * returns its length, 0 when @size is too small.
 *
 * It begins at .syscall with a system call that the tracer sets up, and goes
 * on at .leave: the host's detaches the address in the result register; a
 * guest's, when the word at .armed is not 0, sets the word at @spec->done to 1
 * and wakes its waiters.  Then both restore the thread.  Whoever enters at
 * .leave chooses between .tail, the interrupted call is taken up again, and
 * .tail_eintr, it returns EINTR.  At .syscall_kept, of a host, stands another
 * system call, after which the address to detach is that of cr_arch_keep_regs().
 */
#define CR_EXIT_CODE_MAX 320

struct cr_exit_spec {
	uint64_t at;
	const struct user_regs_struct *regs;	/* the thread's true ones */
	uint64_t sigmask;
	uint64_t done;		/* of a guest, address in the task; 0: the host */
	uint32_t apart;		/* of a host: detach what is so far behind as well; 0: not */
};

struct cr_exit_code {
	uint64_t syscall;
	uint64_t syscall_kept;
	uint64_t leave;
	uint64_t tail;
	uint64_t tail_eintr;
	uint64_t armed;
};

/* Bytes that every exit code begins with, and whether these are those. */
#define CR_EXIT_CODE_HEAD 5
bool cr_arch_is_exit_code(const uint8_t *head);

size_t cr_arch_exit_code(uint8_t *buf, size_t size, const struct cr_exit_spec *spec,
			 struct cr_exit_code *out);

/* Together with those of a call at .syscall_kept: what to detach after it. */
void cr_arch_keep_regs(struct user_regs_struct *regs, uint64_t base);

/* Registers that enter the exit code at .leave. */
void cr_arch_leave_regs(struct user_regs_struct *regs, const struct cr_exit_code *code);

#endif

/* SPDX-License-Identifier: MIT */
/* The system call instruction of x86-64. */
#ifndef CR_PIE_SYSCALL_H
#define CR_PIE_SYSCALL_H

#include <stdint.h>

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}

/* wrpkru: only where the kernel has turned protection keys on. */
static inline void allow_all_keys(void)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(0), "c"(0), "d"(0) : "memory");
}

/*
 * Go to the exit code: it expects the address to detach in the register of a
 * call's result, the tail to end in in another, and needs no stack.
 */
static inline __attribute__((noreturn)) void leave(uint64_t code, uint64_t tail, uint64_t base)
{
	__asm__ volatile("jmp *%0" : : "r"(code), "b"(tail), "a"(base));
	__builtin_unreachable();
}

/* Call @fn; with @area everything that XSAVE knows is kept there meanwhile. */
static inline long call(long (*fn)(long), long arg, void *area)
{
	long ret;

	if (area)
		__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
	ret = fn(arg);
	if (area)
		__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
	return ret;
}

/*
 * clone3() whose child continues in thread_main(arg) on its own stack: the
 * parent's frame is not the child's, so nothing may be returned through.
 */
long cr_agent_clone(void *clone_args, long size, void (*thread_main)(void *), void *arg);

#endif

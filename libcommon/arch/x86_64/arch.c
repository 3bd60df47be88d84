/* SPDX-License-Identifier: MIT */
#include "arch.h"

#include <cpuid.h>
#include <elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Kernel-internal results of interrupted calls, include/linux/errno.h. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516
#define EINTR_NR 4
#define CS_64 0x33

void cr_arch_call_regs(struct user_regs_struct *regs, uint64_t ip, long nr, const uint64_t args[6])
{
	regs->rip = ip;
	regs->rax = (uint64_t)nr;
	regs->orig_rax = (uint64_t)-1;
	regs->rdi = args[0];
	regs->rsi = args[1];
	regs->rdx = args[2];
	regs->r10 = args[3];
	regs->r8 = args[4];
	regs->r9 = args[5];
}

void cr_arch_enter_regs(struct user_regs_struct *regs, uint64_t entry, uint64_t stack_top,
			uint64_t arg)
{
	regs->rip = entry;
	regs->rdi = arg;
	regs->rbp = 0;
	regs->rax = 0;
	regs->orig_rax = (uint64_t)-1;
	/* As if a call had pushed its return address. */
	regs->rsp = (stack_top & ~15ull) - 8;
	regs->eflags &= ~0x400ull;	/* the ABI wants the direction flag clear */
}

long cr_arch_result(const struct user_regs_struct *regs)
{
	return (long)regs->rax;
}

uint64_t cr_arch_instruction_pointer(const struct user_regs_struct *regs)
{
	return regs->rip;
}

uint64_t cr_arch_stack_pointer(const struct user_regs_struct *regs)
{
	return regs->rsp;
}

enum cr_restart cr_arch_restart(const struct user_regs_struct *regs)
{
	if ((int64_t)regs->orig_rax < 0)
		return CR_RESTART_NONE;
	switch (-(int64_t)regs->rax) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
		return CR_RESTART_SYS;
	case ERESTARTNOHAND:
		return CR_RESTART_NOHAND;
	case ERESTART_RESTARTBLOCK:
		return CR_RESTART_BLOCK;
	default:
		return CR_RESTART_NONE;
	}
}

long cr_arch_syscall(const struct user_regs_struct *regs, uint64_t args[6])
{
	args[0] = regs->rdi;
	args[1] = regs->rsi;
	args[2] = regs->rdx;
	args[3] = regs->r10;
	args[4] = regs->r8;
	args[5] = regs->r9;
	return (long)regs->orig_rax;
}

void cr_arch_set_syscall_nr(struct user_regs_struct *regs, long nr)
{
	regs->orig_rax = (uint64_t)nr;
}

void cr_arch_set_result(struct user_regs_struct *regs, int64_t result)
{
	regs->rax = (uint64_t)result;
	regs->orig_rax = (uint64_t)-1;
}

void cr_arch_restart_whole(struct user_regs_struct *regs)
{
	regs->rax = (uint64_t)-ERESTARTNOHAND;
}

bool cr_arch_has_tiles(void)
{
	uint32_t a = 0, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d & 1u << 24;
}

bool cr_arch_has_pkeys(void)
{
	uint32_t a = 0, b, c = 0, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & bit_OSPKE;
}

/* The standard format: Intel SDM volume 1, 13.4 and 13.5. */
#define XSTATE_MAX 16384
#define XSTATE_BV 512
#define XSTATE_PKRU 9
#define PKRU_BYTES 8

size_t cr_arch_xstate_end(unsigned int component)
{
	uint32_t size, offset, c, d;

	__cpuid_count(0xd, component, size, offset, c, d);
	return (size_t)offset + size;
}

int cr_arch_lacks_key_0(pid_t tid)
{
	static int cpu = -1;
	static size_t end;
	uint8_t area[XSTATE_MAX];
	struct iovec iov = { area, sizeof(area) };
	uint64_t used;

	if (cpu < 0) {
		cpu = cr_arch_has_pkeys();
		end = cpu ? cr_arch_xstate_end(XSTATE_PKRU) : 0;
	}
	if (!cpu)
		return 0;
	if (syscall(SYS_ptrace, (long)PTRACE_GETREGSET, (long)tid, (long)NT_X86_XSTATE, &iov) < 0)
		return -1;
	memcpy(&used, area + XSTATE_BV, sizeof(used));
	return end <= iov.iov_len && used & 1ull << XSTATE_PKRU && area[end - PKRU_BYTES] & 3;
}

size_t cr_arch_xsave_size(void)
{
	uint32_t a, b, c, d;

	__cpuid_count(0xd, 0, a, b, c, d);
	return b;
}

void cr_arch_relax(void)
{
	__builtin_ia32_pause();
}

bool cr_arch_native(const struct user_regs_struct *regs)
{
	return regs->cs == CS_64;
}

/* Newer than the headers of the oldest system that builds this. */
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441	/* 5.11 */
#endif

/*
 * epoll, semaphores, rt_sigtimedwait(2) and io_getevents(2) never restart;
 * input and output do not on a socket with a timeout (SO_RCVTIMEO, SO_SNDTIMEO).
 */
static const short ends_with_eintr[] = {
	SYS_epoll_wait,	  SYS_epoll_pwait,   SYS_epoll_pwait2,
	SYS_semop,	  SYS_semtimedop,    SYS_rt_sigtimedwait,
	SYS_io_getevents, SYS_io_pgetevents, SYS_io_uring_enter,
	SYS_read,	  SYS_readv,	     SYS_write,
	SYS_writev,	  SYS_recvfrom,	     SYS_recvmsg,
	SYS_recvmmsg,	  SYS_sendto,	     SYS_sendmsg,
	SYS_sendmmsg,	  SYS_accept,	     SYS_accept4,
	SYS_connect,
};

bool cr_arch_take_up(struct user_regs_struct *regs)
{
	if ((int64_t)regs->rax != -EINTR_NR || regs->cs != CS_64)
		return false;
	for (size_t i = 0; i < sizeof(ends_with_eintr) / sizeof(ends_with_eintr[0]); i++)
		if ((int64_t)regs->orig_rax == ends_with_eintr[i]) {
			regs->rax = (uint64_t)-ERESTARTNOHAND;
			return true;
		}
	return false;
}

bool cr_arch_may_vfork(long nr)
{
	return nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3;
}

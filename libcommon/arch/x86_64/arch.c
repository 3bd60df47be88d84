/* SPDX-License-Identifier: MIT */
#include "arch.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

/* Kernel-internal results of interrupted calls, include/linux/errno.h. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516
#define SYS_EPOLL_PWAIT2 441	/* 5.11 */
#define EINTR_NR 4
#define SYSCALL_INSN_LEN 2
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
	regs->rbx = 1;	/* for the exit code, see cr_arch_exit_code() */
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

bool cr_arch_take_up(struct user_regs_struct *regs)
{
	if ((int64_t)regs->rax != -EINTR_NR)
		return false;
	switch ((int64_t)regs->orig_rax) {
	case SYS_rt_sigtimedwait:
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_EPOLL_PWAIT2:
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_io_getevents:
	case SYS_io_pgetevents:
	case SYS_accept:
	case SYS_accept4:
	case SYS_connect:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
		regs->rax = (uint64_t)-ERESTARTNOHAND;
		return true;
	default:
		return false;
	}
}

bool cr_arch_native(const struct user_regs_struct *regs)
{
	return regs->cs == CS_64;
}

/* Resolve the restart of the interrupted call by hand. */
static void resolve(struct user_regs_struct *regs, bool eintr)
{
	enum cr_restart how = cr_arch_restart(regs);

	if (how == CR_RESTART_NONE)
		return;
	if (eintr && (int64_t)regs->rax != -ERESTARTNOINTR) {
		regs->rax = (uint64_t)-EINTR_NR;
		return;
	}
	regs->rip -= SYSCALL_INSN_LEN;
	regs->rax = how == CR_RESTART_BLOCK ? SYS_restart_syscall : regs->orig_rax;
}

struct code {
	uint8_t *buf;
	size_t len;
};

static void put(struct code *c, const void *bytes, size_t n)
{
	memcpy(c->buf + c->len, bytes, n);
	c->len += n;
}

static void put_movabs(struct code *c, unsigned int reg, uint64_t value)
{
	const uint8_t op[2] = { (uint8_t)(0x48 | (reg >> 3)), (uint8_t)(0xb8 | (reg & 7)) };

	put(c, op, 2);
	put(c, &value, 8);
}

static void patch_rel32(struct code *c, size_t at, size_t target)
{
	int32_t rel = (int32_t)(target - (at + 4));

	memcpy(c->buf + at, &rel, 4);
}

static size_t put_detach(struct code *c)
{
	/* clang-format off */
	static const uint8_t code[] = {
		0x0f, 0x05,			/* syscall */
		0x48, 0x89, 0xc7,		/* leave: mov %rax,%rdi */
		0xb8, SYS_shmdt, 0, 0, 0,	/* mov $shmdt,%eax */
		0x0f, 0x05,			/* syscall */
	};
	/* clang-format on */

	put(c, code, sizeof(code));
	return 2;
}

/* futex(word, FUTEX_WAKE_OP, 1, 1, word, FUTEX_OP(SET, 0, CMP_EQ, 0)) */
static size_t put_release(struct code *c, uint64_t word)
{
	/* clang-format off */
	static const uint8_t head[] = { 0x0f, 0x05 };	/* syscall */
	static const uint8_t code[] = {
		0x49, 0x89, 0xf8,			/* mov %rdi,%r8 */
		0xbe, FUTEX_WAKE_OP, 0, 0, 0,		/* mov $FUTEX_WAKE_OP,%esi */
		0xba, 1, 0, 0, 0,			/* mov $1,%edx */
		0x41, 0xba, 1, 0, 0, 0,			/* mov $1,%r10d */
		0x41, 0xb9, 0, 0, 0, 0,			/* mov $0,%r9d */
		0xb8, SYS_futex, 0, 0, 0,		/* mov $futex,%eax */
		0x0f, 0x05,			/* syscall */
	};
	/* clang-format on */

	put(c, head, sizeof(head));
	put_movabs(c, 7, word);		/* leave: */
	put(c, code, sizeof(code));
	return sizeof(head);
}

/* The last registers and the jump; returns the place of its displacement. */
static size_t put_tail(struct code *c, const struct user_regs_struct *r)
{
	static const uint8_t jump[] = { 0xff, 0x25, 0, 0, 0, 0 };	/* jmp *0(%rip) */

	put_movabs(c, 1, r->rcx);
	put_movabs(c, 0, r->rax);
	put(c, jump, sizeof(jump));
	return c->len - 4;
}
#define TAIL_LEN 26

/*
 *	syscall				whatever the tracer has set up
 * leave:				%rbx is 0: the call returns EINTR
 *	shmdt(%rax), or the word	see arch.h
 *	lea flags(%rip),%rsp; popfq; mov $RSP,%rsp
 *	rt_sigprocmask(SIG_SETMASK, &mask, NULL, 8)
 *	mov %rbx,%rcx
 *	mov $...,%reg			all the others
 *	jrcxz 1f
 *	mov $RCX,%rcx; mov $RAX,%rax; jmp *RIP
 * 1:	mov $RCX,%rcx; mov $EINTR,%rax; jmp *RIP
 *
 * The stack pointer is the true one before the signal mask is, and nothing
 * changes the flags after popfq.  No memory of the task is written.
 */
size_t cr_arch_exit_code(uint8_t *buf, size_t size, uint64_t at,
			 const struct user_regs_struct *regs, uint64_t sigmask, uint64_t word,
			 struct cr_exit_code *out)
{
	/* clang-format off */
	static const uint8_t flags[] = {
		0x48, 0x8d, 0x25, 0, 0, 0, 0,	/* lea flags(%rip),%rsp */
		0x9d,				/* popfq */
	};
	static const uint8_t mask[] = {
		0xb8, SYS_rt_sigprocmask, 0, 0, 0,	/* mov $rt_sigprocmask,%eax */
		0xbf, 2, 0, 0, 0,		/* mov $SIG_SETMASK,%edi */
		0x48, 0x8d, 0x35, 0, 0, 0, 0,	/* lea mask(%rip),%rsi */
		0xba, 0, 0, 0, 0,		/* mov $0,%edx */
		0x41, 0xba, 8, 0, 0, 0,		/* mov $8,%r10d */
		0x0f, 0x05,			/* syscall */
		0x48, 0x89, 0xd9,		/* mov %rbx,%rcx */
	};
	static const uint8_t jrcxz[] = { 0xe3, TAIL_LEN };
	/* clang-format on */
	struct user_regs_struct r = *regs, r_eintr = *regs;
	struct code c = { .buf = buf };
	size_t flags_at, mask_at, jump_at, jump_eintr_at;

	if (size < CR_EXIT_CODE_MAX)
		return 0;
	resolve(&r, false);
	resolve(&r_eintr, true);
	out->syscall = at;
	out->leave = at + (word ? put_release(&c, word) : put_detach(&c));
	flags_at = c.len + 3;
	put(&c, flags, sizeof(flags));
	put_movabs(&c, 4, r.rsp);
	mask_at = c.len + 13;
	put(&c, mask, sizeof(mask));
	put_movabs(&c, 2, r.rdx);
	put_movabs(&c, 3, r.rbx);
	put_movabs(&c, 5, r.rbp);
	put_movabs(&c, 6, r.rsi);
	put_movabs(&c, 7, r.rdi);
	put_movabs(&c, 8, r.r8);
	put_movabs(&c, 9, r.r9);
	put_movabs(&c, 10, r.r10);
	put_movabs(&c, 11, r.r11);
	put_movabs(&c, 12, r.r12);
	put_movabs(&c, 13, r.r13);
	put_movabs(&c, 14, r.r14);
	put_movabs(&c, 15, r.r15);
	put(&c, jrcxz, sizeof(jrcxz));
	jump_at = put_tail(&c, &r);
	jump_eintr_at = put_tail(&c, &r_eintr);
	patch_rel32(&c, jump_at, c.len);
	put(&c, &r.rip, 8);
	patch_rel32(&c, jump_eintr_at, c.len);
	put(&c, &r_eintr.rip, 8);
	patch_rel32(&c, flags_at, c.len);
	put(&c, &r.eflags, 8);
	patch_rel32(&c, mask_at, c.len);
	put(&c, &sigmask, 8);
	return c.len;
}

/* SPDX-License-Identifier: MIT */
/*
 *	host				guest
 * at:	syscall				syscall		(set up by the tracer)
 *	lea tail(%rip),%rbx		lea tail(%rip),%rbx
 * leave:
 *	shmdt(%rax)			if (armed) { *done = 1; futex(done, WAKE, all) }
 *	apart: shmdt(%rax + apart)
 *
 *	lea flags(%rip),%rsp; popfq; mov $RSP,%rsp
 *	rt_sigprocmask(SIG_SETMASK, &mask, NULL, 8)
 *	mov $...,%reg			all but rax and rbx
 *	jmp *%rbx
 * tail, tail_eintr:
 *	mov $RBX,%rbx; mov $RAX,%rax; jmp *RIP
 * syscall_kept, of the host:
 *	syscall; mov %r12,%rax; jmp at + 2
 *
 * The stack pointer is the true one before the signal mask is, and nothing
 * changes the flags after popfq.  No memory of the task is written.
 */
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "arch.h"

#define EINTR_NR 4
#define ERESTARTNOINTR 513
#define SYSCALL_INSN_LEN 2

struct code {
	uint8_t *buf;
	size_t len;
};

static void put(struct code *c, const void *bytes, size_t n)
{
	memcpy(c->buf + c->len, bytes, n);
	c->len += n;
}

#define PUT(c, ...)                                        \
	do {                                               \
		static const uint8_t bytes_[] = { __VA_ARGS__ }; \
		put(c, bytes_, sizeof(bytes_));            \
	} while (0)

#define IMM32(v) (v) & 0xff, (v) >> 8 & 0xff, (v) >> 16 & 0xff, (v) >> 24 & 0xff

static void put_movabs(struct code *c, unsigned int reg, uint64_t value)
{
	const uint8_t op[2] = { (uint8_t)(0x48 | (reg >> 3)), (uint8_t)(0xb8 | (reg & 7)) };

	put(c, op, 2);
	put(c, &value, 8);
}

/* A displacement to be filled in by patch(); returns where it is. */
static size_t put_rel32(struct code *c)
{
	PUT(c, 0, 0, 0, 0);
	return c->len - 4;
}

static void patch(struct code *c, size_t rel, size_t target)
{
	int32_t v = (int32_t)target - (int32_t)(rel + 4);

	memcpy(c->buf + rel, &v, 4);
}

static void put_detach(struct code *c, uint32_t apart)
{
	PUT(c, 0x48, 0x89, 0xc7);			/* mov %rax,%rdi */
	PUT(c, 0xb8, IMM32(SYS_shmdt), 0x0f, 0x05);	/* mov $shmdt,%eax; syscall */
	if (!apart)
		return;
	PUT(c, 0x48, 0x81, 0xc7);			/* add $apart,%rdi */
	put(c, &apart, sizeof(apart));
	PUT(c, 0xb8, IMM32(SYS_shmdt), 0x0f, 0x05);
}

/* A system call that another result than the address to detach does not harm. */
static void put_kept(struct code *c)
{
	size_t rel;

	PUT(c, 0x0f, 0x05);				/* syscall */
	PUT(c, 0x4c, 0x89, 0xe0, 0xe9);			/* mov %r12,%rax; jmp */
	rel = put_rel32(c);
	patch(c, rel, SYSCALL_INSN_LEN);
}

/* Returns where the displacement of the armed word is. */
static size_t put_report(struct code *c, uint64_t done)
{
	size_t armed, skip;

	PUT(c, 0x8b, 0x0d);				/* mov armed(%rip),%ecx */
	armed = put_rel32(c);
	PUT(c, 0x85, 0xc9, 0x74, 0);			/* test %ecx,%ecx; jz skip */
	skip = c->len;
	put_movabs(c, 7, done);				/* %rdi */
	PUT(c, 0xc7, 0x07, IMM32(1));			/* movl $1,(%rdi) */
	PUT(c, 0xb8, IMM32(SYS_futex));			/* mov $futex,%eax */
	PUT(c, 0xbe, IMM32(FUTEX_WAKE));		/* mov $FUTEX_WAKE,%esi */
	PUT(c, 0xba, IMM32(0x7fffffff));		/* mov $INT_MAX,%edx */
	PUT(c, 0x0f, 0x05);				/* syscall */
	c->buf[skip - 1] = (uint8_t)(c->len - skip);
	return armed;
}

/* Returns where the displacement of the mask is. */
static size_t put_set_mask(struct code *c)
{
	size_t mask;

	PUT(c, 0x48, 0x8d, 0x35);			/* lea mask(%rip),%rsi */
	mask = put_rel32(c);
	PUT(c, 0xb8, IMM32(SYS_rt_sigprocmask));	/* mov $rt_sigprocmask,%eax */
	PUT(c, 0xbf, IMM32(2));				/* mov $SIG_SETMASK,%edi */
	PUT(c, 0xba, IMM32(0));				/* mov $0,%edx */
	PUT(c, 0x41, 0xba, IMM32(8));			/* mov $8,%r10d */
	PUT(c, 0x0f, 0x05);				/* syscall */
	return mask;
}

static void put_registers(struct code *c, const struct user_regs_struct *r)
{
	put_movabs(c, 1, r->rcx);
	put_movabs(c, 2, r->rdx);
	put_movabs(c, 5, r->rbp);
	put_movabs(c, 6, r->rsi);
	put_movabs(c, 7, r->rdi);
	put_movabs(c, 8, r->r8);
	put_movabs(c, 9, r->r9);
	put_movabs(c, 10, r->r10);
	put_movabs(c, 11, r->r11);
	put_movabs(c, 12, r->r12);
	put_movabs(c, 13, r->r13);
	put_movabs(c, 14, r->r14);
	put_movabs(c, 15, r->r15);
}

/* Resolve the restart of the interrupted call by hand. */
static void resolve(struct user_regs_struct *r, bool eintr)
{
	enum cr_restart how = cr_arch_restart(r);

	if (how == CR_RESTART_NONE)
		return;
	if (eintr && (int64_t)r->rax != -ERESTARTNOINTR) {
		r->rax = (uint64_t)-EINTR_NR;
		return;
	}
	r->rip -= SYSCALL_INSN_LEN;
	r->rax = how == CR_RESTART_BLOCK ? SYS_restart_syscall : r->orig_rax;
}

static void put_tail(struct code *c, const struct user_regs_struct *true_regs, bool eintr)
{
	struct user_regs_struct r = *true_regs;

	resolve(&r, eintr);
	put_movabs(c, 3, r.rbx);
	put_movabs(c, 0, r.rax);
	PUT(c, 0xff, 0x25, IMM32(0));			/* jmp *0(%rip) */
	put(c, &r.rip, 8);
}

bool cr_arch_is_exit_code(const uint8_t *head)
{
	static const uint8_t first[CR_EXIT_CODE_HEAD] = { 0x0f, 0x05, 0x48, 0x8d, 0x1d };

	return memcmp(head, first, sizeof(first)) == 0;
}

size_t cr_arch_exit_code(uint8_t *buf, size_t size, const struct cr_exit_spec *spec,
			 struct cr_exit_code *out)
{
	const struct user_regs_struct *r = spec->regs;
	struct code c = { .buf = buf };
	size_t tail_rel, armed_rel = 0, flags_rel, mask_rel;

	if (size < CR_EXIT_CODE_MAX)
		return 0;
	out->syscall = spec->at;
	PUT(&c, 0x0f, 0x05);				/* syscall */
	PUT(&c, 0x48, 0x8d, 0x1d);			/* lea tail(%rip),%rbx */
	tail_rel = put_rel32(&c);
	out->leave = spec->at + c.len;
	if (spec->done)
		armed_rel = put_report(&c, spec->done);
	else
		put_detach(&c, spec->apart);
	PUT(&c, 0x48, 0x8d, 0x25);			/* lea flags(%rip),%rsp */
	flags_rel = put_rel32(&c);
	PUT(&c, 0x9d);					/* popfq */
	put_movabs(&c, 4, r->rsp);
	mask_rel = put_set_mask(&c);
	put_registers(&c, r);
	PUT(&c, 0xff, 0xe3);				/* jmp *%rbx */
	out->tail = spec->at + c.len;
	patch(&c, tail_rel, c.len);
	put_tail(&c, r, false);
	out->tail_eintr = spec->at + c.len;
	put_tail(&c, r, true);
	patch(&c, flags_rel, c.len);
	put(&c, &r->eflags, 8);
	patch(&c, mask_rel, c.len);
	put(&c, &spec->sigmask, 8);
	if (spec->done)
		patch(&c, armed_rel, c.len);
	out->armed = spec->at + c.len;
	PUT(&c, IMM32(0));
	out->syscall_kept = spec->at + c.len;
	if (!spec->done)
		put_kept(&c);
	return c.len;
}

void cr_arch_leave_regs(struct user_regs_struct *regs, const struct cr_exit_code *code)
{
	regs->rip = code->leave;
	regs->rbx = code->tail;
	regs->rax = 0;
	regs->orig_rax = (uint64_t)-1;
}

void cr_arch_keep_regs(struct user_regs_struct *regs, uint64_t base)
{
	regs->r12 = base;
}

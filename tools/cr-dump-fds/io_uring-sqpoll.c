/* SPDX-License-Identifier: MIT */
/*
 * The kernel thread that submits for a ring (IORING_SETUP_SQPOLL).  It is one of
 * the process that has set the ring up, frozen with its threads, and acts with the
 * credentials of that moment.
 */
#include "io_uring.h"

#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"

#define CTX "io_ring_ctx"
#define MANY_GROUPS 65536u	/* NGROUPS_MAX */

static const struct {
	const char *member;
	size_t size;
} of_cred[] = {
	{ "uid", 4 },		{ "gid", 4 },
	{ "suid", 4 },		{ "sgid", 4 },
	{ "euid", 4 },		{ "egid", 4 },
	{ "fsuid", 4 },		{ "fsgid", 4 },
	{ "securebits", 4 },	{ "cap_inheritable", 8 },
	{ "cap_permitted", 8 }, { "cap_effective", 8 },
	{ "cap_bset", 8 },	{ "cap_ambient", 8 },
	{ "user_ns", 8 },
};

static bool same_groups(struct peek *p, uint64_t a, uint64_t b)
{
	uint64_t n = peek_member(p, a, "group_info", "ngroups", 4);
	uint64_t from = peek_address(p, a, "group_info", "gid");
	uint64_t to = peek_address(p, b, "group_info", "gid");

	if (n != peek_member(p, b, "group_info", "ngroups", 4) || n > MANY_GROUPS)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		uint32_t x, y;

		if (kernel_peek(p->kernel, from + i * 4, &x, 4) < 0 ||
		    kernel_peek(p->kernel, to + i * 4, &y, 4) < 0 || x != y)
			return false;
	}
	return true;
}

static bool same_creds(struct peek *p, uint64_t a, uint64_t b)
{
	uint64_t groups = peek_member(p, a, "cred", "group_info", 8);
	uint64_t others = peek_member(p, b, "cred", "group_info", 8);

	if (a == b)
		return true;
	for (size_t i = 0; i < sizeof(of_cred) / sizeof(of_cred[0]); i++)
		if (peek_member(p, a, "cred", of_cred[i].member, of_cred[i].size) !=
		    peek_member(p, b, "cred", of_cred[i].member, of_cred[i].size))
			return false;
	return groups == others || same_groups(p, groups, others);
}

/* How many ticks the kernel counts in a second: what it makes of 1000 ms. */
static uint32_t ticks(struct peek *p)
{
	struct io_uring_params params = { .flags = IORING_SETUP_SQPOLL | IORING_SETUP_R_DISABLED,
					  .sq_thread_idle = 1000 };
	cr_auto_fd int fd = (int)syscall(SYS_io_uring_setup, 1, &params);
	uint64_t ctx;

	if (fd < 0)
		return 0;
	ctx = peek_member(p, peek_file(p, fd), "file", "private_data", 8);
	return (uint32_t)peek_member(p, ctx, CTX, "sq_thread_idle", 4);
}

const char *uring_look_sqpoll(struct peek *p, const struct file *f, struct uring_state *s)
{
	uint64_t sqd = peek_member(p, s->ctx, CTX, "sq_data", 8);
	uint64_t thread = peek_member(p, sqd, "io_sq_data", "thread", 8);
	uint64_t task = peek_task(p, f->proc->pid);
	uint64_t creds = peek_member(p, s->ctx, CTX, "sq_creds", 8);
	uint64_t idle = peek_member(p, s->ctx, CTX, "sq_thread_idle", 4), hz = ticks(p);

	if (peek_fault(p))
		return peek_fault(p);
	if (!thread || peek_member(p, thread, "task_struct", "group_leader", 8) !=
			       peek_member(p, task, "task_struct", "group_leader", 8))
		return "the kernel thread that submits (IORING_SETUP_SQPOLL) is not of the process "
		       "that has it";
	if (peek_member(p, sqd, "io_sq_data", "refs", 4) != 1)
		return "the kernel thread that submits (IORING_SETUP_SQPOLL) does so for several "
		       "rings";
	if (!same_creds(p, creds, peek_member(p, task, "task_struct", "cred", 8)))
		return "the kernel thread that submits (IORING_SETUP_SQPOLL) has other credentials "
		       "than the process";
	if (!hz)
		return "the time after which its kernel thread sleeps is not seen";
	s->sq_idle_ms = (uint32_t)(idle * 1000 / hz);
	s->sq_cpu = s->setup_flags & IORING_SETUP_SQ_AFF ?
			    (uint32_t)peek_member(p, sqd, "io_sq_data", "sq_cpu", 4) :
			    0;
	return peek_fault(p);
}

/* SPDX-License-Identifier: MIT */
/* See agent.h for what this is and how it is entered. */
#include "agent.h"

#include <asm/unistd.h>
#include <linux/futex.h>
#include <stddef.h>

#include "syscall.h"

#define SIGSET_BYTES 8
#define SA_RESTART_BIT 0x10000000ul
#define MAX_ERRNO 4095
#define EINTR_NR 4

struct waiter {
	uint64_t val;
	uint64_t uaddr;
	uint32_t flags;
	uint32_t reserved;
};

struct kernel_sigaction {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

static int is_error(int64_t v)
{
	return v < 0 && v >= -MAX_ERRNO;
}

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static int owner_died(struct cr_agent_ctl *ctl)
{
	return (load(&ctl->alive) & FUTEX_OWNER_DIED) != 0;
}

static void add_and_wake(uint32_t *word, uint32_t n)
{
	__atomic_fetch_add(word, n, __ATOMIC_RELEASE);
	sys6(__NR_futex, (long)word, FUTEX_WAKE, 0x7fffffff, 0, 0, 0);
}

/* Sleep while *word is @seen and the owner lives. */
static void wait_word(struct cr_agent_ctl *ctl, uint32_t *word, uint32_t seen)
{
	uint32_t alive = load(&ctl->alive);
	struct waiter w[2] = {
		{ .val = seen, .uaddr = (uint64_t)word, .flags = FUTEX_32 },
		{ .val = alive, .uaddr = (uint64_t)&ctl->alive, .flags = FUTEX_32 },
	};

	if (!(alive & FUTEX_OWNER_DIED))
		sys6(__NR_futex_waitv, (long)w, 2, 0, 0, 0, 0);
}

static void run_thread(void *arg);

static void wait_for_tracer(struct cr_agent_ctl *ctl)
{
	while (!owner_died(ctl))
		wait_word(ctl, &ctl->parked, 0);
	sys6(__NR_exit_group, CR_AGENT_FAILED, 0, 0, 0, 0, 0);
}

/* The restore's last step: be inside of a call, or asleep, for the tracer. */
static void park(struct cr_agent_ctl *ctl, struct cr_op *op)
{
	const int64_t *a = op->arg;

	op->result = CR_PARKED;
	add_and_wake(&ctl->arrived, 1);
	if (op->nr >= 0)
		op->result = sys6(op->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	wait_for_tracer(ctl);
}

static int64_t set_time(int64_t *ts, int64_t clock, int64_t plus)
{
	int64_t ret = sys6(__NR_clock_gettime, clock, (long)ts, 0, 0, 0, 0);

	if (ret < 0)
		return ret;
	ts[0] += plus / 1000000000;
	ts[1] += plus % 1000000000;
	if (ts[1] < 0 || ts[1] >= 1000000000) {
		ts[0] += ts[1] < 0 ? -1 : 1;
		ts[1] += ts[1] < 0 ? 1000000000 : -1000000000;
	}
	if (ts[0] < 0) {
		ts[0] = 0;
		ts[1] = 1;
	}
	return 0;
}

static int64_t run_op(struct cr_vector *v, struct cr_op *op)
{
	int64_t a[6];

	for (int i = 0; i < 6; i++)
		a[i] = op->refs & (1 << i) ? v->ops[op->arg[i]].result : op->arg[i];
	for (int i = 0; i < 6; i++)
		if (op->in_data & (1u << i))
			a[i] += (int64_t)v->data;
	if (op->type == CR_OP_SYSCALL)
		return sys6(op->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (op->type == CR_OP_CALL)
		return call((long (*)(long))a[0], a[1], (void *)a[2]);
	if (op->type == CR_OP_THREAD)
		return cr_agent_clone((void *)a[0], a[1], run_thread, (void *)a[2]);
	if (op->type == CR_OP_WAIT) {
		while (load((uint32_t *)a[0]) == (uint32_t)a[1]) {
			if (owner_died(v->ctl))
				return -EINTR_NR;
			wait_word(v->ctl, (uint32_t *)a[0], (uint32_t)a[1]);
		}
		return 0;
	}
	if (op->type == CR_OP_ADD) {
		add_and_wake((uint32_t *)a[0], (uint32_t)a[1]);
		return 0;
	}
	if (op->type == CR_OP_COPY) {
		volatile uint8_t *to = (uint8_t *)a[0];
		const uint8_t *from = (const uint8_t *)a[1];

		for (int64_t i = 0; i < a[2]; i++)
			to[i] = from[i];
		return 0;
	}
	if (op->type == CR_OP_CLOCK)
		return set_time((int64_t *)a[0], a[1], a[2]);
	if (op->type == CR_OP_RIGHTS) {
		allow_all_keys();
		return 0;
	}
	if (op->type == CR_OP_PARK)
		park(v->ctl, op);
	return -EINTR_NR;
}

static int as_expected(const struct cr_op *op)
{
	if (op->expect == CR_EXPECT_EQUAL)
		return op->result == op->want;
	return op->expect == CR_EXPECT_ANY || !is_error(op->result);
}

static int run(struct cr_vector *v)
{
	v->failed = 0;
	for (v->done = 0; v->done < v->count; v->done++) {
		struct cr_op *op = &v->ops[v->done];

		op->result = run_op(v, op);
		if (op->result_at)
			*(int64_t *)(v->data + op->result_at - 1) = op->result;
		if (!as_expected(op)) {
			v->failed = 1;
			return -1;
		}
	}
	return 0;
}

static void run_once(struct cr_vector *v)
{
	run(v);
	/* A vector that comes to its end without having parked has failed. */
	add_and_wake(&v->ctl->failed, 1);
	add_and_wake(&v->ctl->arrived, 1);
	wait_for_tracer(v->ctl);
}

static void run_thread(void *arg)
{
	run_once(arg);
}

/*
 * The owner has died and a signal may have come since the freeze: would the
 * interrupted call have returned EINTR because of it?
 */
static int must_interrupt(const struct cr_exit_path *path)
{
	uint64_t pending = 0;
	struct kernel_sigaction sa;

	if (path->restart == CR_RESTART_NONE)
		return 0;
	sys6(__NR_rt_sigpending, (long)&pending, SIGSET_BYTES, 0, 0, 0, 0);
	pending &= ~path->sigmask;
	for (int sig = 1; sig <= 64; sig++) {
		if (!(pending & 1ul << (sig - 1)))
			continue;
		if (sys6(__NR_rt_sigaction, sig, 0, (long)&sa, SIGSET_BYTES, 0, 0) < 0)
			continue;
		if (sa.handler <= 1) /* SIG_DFL, SIG_IGN */
			continue;
		if (path->restart != CR_RESTART_SYS || !(sa.flags & SA_RESTART_BIT))
			return 1;
	}
	return 0;
}

static __attribute__((noreturn)) void go_home(struct cr_agent_ctl *ctl,
					      const struct cr_exit_path *path)
{
	uint64_t tail = must_interrupt(path) ? path->tail_eintr : path->tail;

	leave(path->leave, tail, ctl->base);
}

/* The kernel has woken one of those who wait for the owner's death. */
static void wake_the_others(struct cr_agent_ctl *ctl)
{
	sys6(__NR_futex, (long)&ctl->alive, FUTEX_WAKE, 0x7fffffff, 0, 0, 0);
}

/* No guest may find the mapping gone under its feet. */
static void wait_for_guests(struct cr_agent_ctl *ctl)
{
	for (uint32_t i = 0; i < ctl->n_guests; i++) {
		struct cr_agent_guest *g = &ctl->guests[i];

		while (load((const uint32_t *)g->armed) && !load(&g->done))
			sys6(__NR_futex, (long)&g->done, FUTEX_WAIT, 0, 0, 0, 0);
	}
}

static void serve(struct cr_agent_ctl *ctl)
{
	uint32_t seen = 0, command;

	for (;;) {
		command = load(&ctl->command);
		if (owner_died(ctl)) {
			wake_the_others(ctl);
			wait_for_guests(ctl);
			go_home(ctl, &ctl->exit);
		}
		if (command == seen) {
			wait_word(ctl, &ctl->command, seen);
			continue;
		}
		seen = command;
		run(ctl->vector);
		__atomic_store_n(&ctl->finished, seen, __ATOMIC_RELEASE);
		add_and_wake(&ctl->doorbell, 1);
	}
}

static void visit(struct cr_agent_guest *g)
{
	run(g->vector);
	__atomic_store_n(&g->finished, 1, __ATOMIC_RELEASE);
	add_and_wake(&g->ctl->doorbell, 1);
	while (!owner_died(g->ctl))
		wait_word(g->ctl, &g->ctl->parked, 0);
	wake_the_others(g->ctl);
	go_home(g->ctl, &g->exit);
}

void cr_agent_main(uint32_t *mode);
void cr_agent_main(uint32_t *mode)
{
	if (*mode == CR_AGENT_SERVE)
		serve((struct cr_agent_ctl *)mode);
	if (*mode == CR_AGENT_GUEST)
		visit((struct cr_agent_guest *)mode);
	run_once(((struct cr_agent_ctl *)mode)->vector);
}

/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "clean.h"
#include "proc.h"
#include "syscalls.h"

#define SIGSET_BYTES 8
#define SIGNALS 64

#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66			/* 6.3 */
#endif
#define MEMBARRIER_GET_REGISTRATIONS (1 << 9)	/* 6.3 */

/* Indices of struct ask.at */
enum { AT_BRK, AT_DUMPABLE, AT_SECUREBITS, AT_THP, AT_MDWE, AT_MEMBARRIER };

static struct cr_op *add(struct ask *a, enum cr_op_expect expect, long nr, uint64_t a0)
{
	struct cr_op *op = &a->ops[a->count++];

	*op = (struct cr_op){
		.type = CR_OP_SYSCALL,
		.expect = (uint8_t)expect,
		.nr = (int32_t)nr,
		.arg = { (int64_t)a0 },
	};
	return op;
}

/* One that writes its answer: argument @arg is its offset in the data. */
static struct cr_op *add_to(struct ask *a, long nr, uint64_t a0, unsigned int arg, size_t offset)
{
	struct cr_op *op = add(a, CR_EXPECT_OK, nr, a0);

	op->arg[arg] = (int64_t)offset;
	op->in_data = 1u << arg;
	return op;
}

/* One whose answer is its result. */
static void add_at(struct ask *a, unsigned int at, enum cr_op_expect expect, long nr, uint64_t a0)
{
	a->at[at] = a->count;
	add(a, expect, nr, a0);
}

/* The data of a thread begins with the answers to these. */
static void add_thread(struct ask *a)
{
	add_to(a, SYS_sigaltstack, 0, 1, offsetof(struct ask_thread_data, altstack));
	add_to(a, SYS_prctl, PR_GET_TID_ADDRESS, 1,
	       offsetof(struct ask_thread_data, clear_child_tid));
	add_to(a, SYS_prctl, PR_GET_PDEATHSIG, 1,
	       offsetof(struct ask_thread_data, parent_death_signal));
}

void ask_build_thread(struct ask *a)
{
	a->count = 0;
	add_thread(a);
}

void ask_build_process(struct ask *a)
{
	_Static_assert(offsetof(struct ask_process_data, thread) == 0, "see add_thread()");
	a->count = 0;
	add_thread(a);
	for (uint64_t sig = 1; sig <= SIGNALS; sig++) {
		size_t at = offsetof(struct ask_process_data, actions) +
			    (sig - 1) * sizeof(struct ask_sigaction);

		add_to(a, SYS_rt_sigaction, sig, 2, at)->arg[3] = SIGSET_BYTES;
	}
	for (uint64_t which = ITIMER_REAL; which <= ITIMER_PROF; which++)
		add_to(a, SYS_getitimer, which, 1,
		       offsetof(struct ask_process_data, itimers) + which * 32);
	add_to(a, SYS_prctl, PR_GET_CHILD_SUBREAPER, 1,
	       offsetof(struct ask_process_data, child_subreaper));
	add_at(a, AT_BRK, CR_EXPECT_OK, SYS_brk, 0);
	add_at(a, AT_DUMPABLE, CR_EXPECT_OK, SYS_prctl, PR_GET_DUMPABLE);
	add_at(a, AT_SECUREBITS, CR_EXPECT_OK, SYS_prctl, PR_GET_SECUREBITS);
	add_at(a, AT_THP, CR_EXPECT_OK, SYS_prctl, PR_GET_THP_DISABLE);
	/* Not in every kernel: an error means that it cannot be set either. */
	add_at(a, AT_MDWE, CR_EXPECT_ANY, SYS_prctl, PR_GET_MDWE);
	add_at(a, AT_MEMBARRIER, CR_EXPECT_ANY, SYS_membarrier, MEMBARRIER_GET_REGISTRATIONS);
}

int ask_check(const struct ask *a, uint32_t done, pid_t pid, struct cr_err *err)
{
	const struct cr_op *op = &a->ops[done];
	const char *name;

	if (done >= a->count)
		return 0;
	name = syscall_name(op->nr);
	return cr_err_set(err, CR_REFUSED, "pid %d: %s inside of it: %s", (int)pid,
			  name ? name : "a system call", strerror((int)-op->result));
}

static uint32_t positive(const struct ask *a, unsigned int at)
{
	int64_t v = a->ops[a->at[at]].result;

	return v > 0 ? (uint32_t)v : 0;
}

static size_t fill_actions(const struct ask_process_data *d, Cr__SigAction *list,
			   Cr__SigAction **ptrs)
{
	size_t n = 0;

	for (uint32_t i = 0; i < SIGNALS; i++) {
		const struct ask_sigaction *sa = &d->actions[i];

		if (!sa->handler && !sa->flags && !sa->mask)
			continue;
		cr__sig_action__init(&list[n]);
		list[n].signal = i + 1;
		list[n].handler = sa->handler;
		list[n].sa_flags = sa->flags;
		list[n].restorer = sa->restorer;
		list[n].mask = sa->mask;
		ptrs[n] = &list[n];
		n++;
	}
	return n;
}

int ask_put_inside(struct cr_stage *st, pid_t pid, const struct ask *a,
		   const struct ask_process_data *d, struct cr_err *err)
{
	Cr__Inside m = CR__INSIDE__INIT;
	Cr__SigAction actions[SIGNALS], *action_ptrs[SIGNALS];
	Cr__ITimer timers[3], *timer_ptrs[3];

	for (int i = 0; i < 3; i++) {
		cr__itimer__init(&timers[i]);
		timers[i].interval_us = d->itimers[i][0] * 1000000 + d->itimers[i][1];
		timers[i].value_us = d->itimers[i][2] * 1000000 + d->itimers[i][3];
		timer_ptrs[i] = &timers[i];
	}
	m.pid = (uint32_t)pid;
	m.n_actions = fill_actions(d, actions, action_ptrs);
	m.actions = action_ptrs;
	m.brk = (uint64_t)a->ops[a->at[AT_BRK]].result;
	m.dumpable = positive(a, AT_DUMPABLE);
	m.securebits = positive(a, AT_SECUREBITS);
	m.child_subreaper = d->child_subreaper;
	m.n_itimers = 3;
	m.itimers = timer_ptrs;
	m.thp_disable = positive(a, AT_THP);
	m.mdwe = positive(a, AT_MDWE);
	m.membarrier = positive(a, AT_MEMBARRIER);
	return cr_stage_put(st, CR_KIND_INSIDE, &m, err);
}

/* /proc/TID/timerslack_ns exists for every thread, though only processes are listed. */
static int timer_slack(pid_t tid, uint64_t *ns, struct cr_err *err)
{
	cr_auto_free char *text = NULL;

	if (cr_proc_read(tid, "timerslack_ns", &text, NULL, err) < 0)
		return -1;
	*ns = strtoull(text, NULL, 10);
	return 0;
}

int ask_put_thread(struct cr_stage *st, pid_t pid, pid_t tid, const struct ask_thread_data *d,
		   struct cr_err *err)
{
	Cr__ThreadInside m = CR__THREAD_INSIDE__INIT;
	Cr__AltStack alt = CR__ALT_STACK__INIT;

	alt.sp = d->altstack[0];
	alt.ss_flags = (int32_t)d->altstack[1];
	alt.size = d->altstack[2];
	m.pid = (uint32_t)pid;
	m.tid = (uint32_t)tid;
	m.altstack = &alt;
	m.clear_child_tid = d->clear_child_tid;
	m.parent_death_signal = d->parent_death_signal;
	if (timer_slack(tid, &m.timer_slack_ns, err) < 0)
		return -1;
	return cr_stage_put(st, CR_KIND_THREAD_INSIDE, &m, err);
}

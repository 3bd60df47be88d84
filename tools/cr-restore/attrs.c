/* SPDX-License-Identifier: MIT */
#include "attrs.h"

#include "arch.h"
#include "filters.h"
#include "lock.h"
#include "mem.h"
#include "notify.h"
#include "scheduling.h"
#include "share.h"
#include "special.h"
#include "stopped.h"
#include "timers.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SIGSET_BYTES 8
#define NS 1000000000ull

struct kernel_sigaction {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

static int late_check(const struct restore *r, const struct task_image *t, struct cr_err *err)
{
	const struct msg_list *late = &r->img.kinds[CR_KIND_LATE_SIGNALS];

	for (unsigned int i = 0; i < late->count; i++) {
		const Cr__LateSignals *m = late->items[i];

		for (size_t k = 0; m->pid == t->task->pid && k < m->n_signals; k++)
			if (m->signals[k].len != sizeof(siginfo_t))
				return cr_err_set(err, CR_BAD_INPUT, "pid %u: malformed signal",
						  m->pid);
	}
	return 0;
}

int attrs_own_limits(struct restore *r, struct cr_err *err)
{
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (getrlimit(i, &r->limits[i]) < 0)
			return cr_err_sys(err, "getrlimit");
	return 0;
}

int attrs_check(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	char object[32];

	if (t->task->n_rlimits > RLIM_NLIMITS)
		return cr_err_set(err, CR_BAD_INPUT, "pid %u: too many limits", t->task->pid);
	for (size_t i = 0; i < t->task->n_rlimits; i++) {
		if (t->task->rlimits[i]->hard <= r->limits[i].rlim_max)
			continue;
		/* CAP_SYS_RESOURCE would do; see whether we have it. */
		if (prctl(PR_CAPBSET_READ, 24) == 1)
			continue;
		snprintf(object, sizeof(object), "limit %zu", i);
		refuse(r, t->task->pid, object,
		       "its hard limit is above that of cr-restore, which "
		       "lacks CAP_SYS_RESOURCE; raise it with ulimit -H");
	}
	for (unsigned int n = 0; n < t->n_threads; n++) {
		const Cr__Thread *th = t->threads[n].thread;

		for (size_t i = 0; i < th->n_signals; i++)
			if (th->signals[i].len != sizeof(siginfo_t))
				return cr_err_set(err, CR_BAD_INPUT, "thread %u: malformed signal",
						  th->tid);
	}
	for (size_t i = 0; i < t->task->n_shared_signals; i++)
		if (t->task->shared_signals[i].len != sizeof(siginfo_t))
			return cr_err_set(err, CR_BAD_INPUT, "pid %u: malformed signal",
					  t->task->pid);
	if (timers_check(r, t, err) < 0 || scheduling_check(r, t, err) < 0 ||
	    special_check(r, t, err) < 0 || late_check(r, t, err) < 0 ||
	    filters_check(r, t, err) < 0)
		return -1;
	return creds_check(r, t, err);
}

static int signal_actions(const struct task_image *t, struct vec *v, struct arena *a,
			  struct cr_err *err)
{
	for (size_t i = 0; i < t->inside->n_actions; i++) {
		const Cr__SigAction *in = t->inside->actions[i];
		struct kernel_sigaction *sa = arena_alloc(a, sizeof(*sa), err);

		if (!sa)
			return -1;
		sa->handler = in->handler;
		sa->flags = in->sa_flags;
		sa->restorer = in->restorer;
		sa->mask = in->mask;
		vec_sys(v, LABEL_SIGNAL, SYS_rt_sigaction, in->signal, P(sa), 0, SIGSET_BYTES);
	}
	return 0;
}

/*
 * The action of SIGCHLD is SIG_DFL until here and the signal blocked, so that
 * children which died during the restore have left it pending; setting the
 * default again forgets it.
 */
int attrs_forget_sigchld(struct vec *v, struct arena *a, struct cr_err *err)
{
	struct kernel_sigaction *sa = arena_alloc(a, sizeof(*sa), err);

	if (!sa)
		return -1;
	vec_sys(v, LABEL_SIGNAL, SYS_rt_sigaction, SIGCHLD, P(sa), 0, SIGSET_BYTES);
	return 0;
}

/* Limits last of all that needs rights and descriptors. */
static int limits(const struct restore *r, const struct task_image *t, struct vec *v,
		  struct arena *a, struct cr_err *err)
{
	for (size_t i = 0; i < t->task->n_rlimits; i++) {
		const struct rlimit *own = &r->limits[i];
		const Cr__Rlimit *in = t->task->rlimits[i];
		struct rlimit *lim;

		if (own->rlim_cur == in->soft && own->rlim_max == in->hard)
			continue;
		lim = arena_alloc(a, sizeof(*lim), err);
		if (!lim)
			return -1;
		lim->rlim_cur = in->soft;
		lim->rlim_max = in->hard;
		vec_sys(v, LABEL_LIMIT, SYS_prlimit64, 0, (int64_t)i, P(lim), 0);
	}
	return 0;
}

static int queue_list(const struct restore *r, const struct task_image *t,
		      const ProtobufCBinaryData *list, size_t count, int64_t tid, struct vec *v,
		      struct arena *a, struct cr_err *err)
{
	int64_t pid = t->task->pid;

	for (size_t i = 0; i < count; i++) {
		siginfo_t *info;

		if (timers_send_again(t, list[i].data) ||
		    stopped_absorbs(r, t, ((const siginfo_t *)list[i].data)->si_signo))
			continue;
		info = arena_alloc(a, sizeof(*info), err);
		if (!info)
			return -1;
		memcpy(info, list[i].data, sizeof(*info));
		if (tid)
			vec_sys(v, LABEL_SIGNAL, SYS_rt_tgsigqueueinfo, pid, tid, info->si_signo,
				P(info));
		else
			vec_sys(v, LABEL_SIGNAL, SYS_rt_sigqueueinfo, pid, info->si_signo, P(info));
	}
	return 0;
}

/* Thread 0: the process's queue. */
static int queue_signals(const struct restore *r, const struct task_image *t,
			 const ProtobufCBinaryData *list, size_t count, uint32_t tid, struct vec *v,
			 struct arena *a, struct cr_err *err)
{
	const struct msg_list *late = &r->img.kinds[CR_KIND_LATE_SIGNALS];

	if (queue_list(r, t, list, count, tid, v, a, err) < 0)
		return -1;
	for (unsigned int i = 0; i < late->count; i++) {
		const Cr__LateSignals *m = late->items[i];

		if (m->pid == t->task->pid && m->tid == tid &&
		    queue_list(r, t, m->signals, m->n_signals, tid, v, a, err) < 0)
			return -1;
	}
	return 0;
}

int attrs_process(struct restore *r, const struct task_image *t, struct vec *v, struct arena *a,
		  struct cr_err *err)
{
	if (!t->share_sighand &&
	    (attrs_forget_sigchld(v, a, err) < 0 || signal_actions(t, v, a, err) < 0))
		return -1;
	if (!t->share_vm && special_memory(t, v, a, err) < 0)
		return -1;
	special_process(t, v);
	/* When memory is mapped: what is readable might become executable. */
	vec_sys(v, LABEL_PRCTL, SYS_personality, t->task->personality);
	if (queue_signals(r, t, t->task->shared_signals, t->task->n_shared_signals, 0, v, a, err) <
		    0 ||
	    notify_build(r, t, v, a, err) < 0)
		return -1;
	return limits(r, t, v, a, err);
}

static int thread_name(const Cr__Thread *th, struct vec *v, struct arena *a, struct cr_err *err)
{
	char *name = arena_alloc(a, 16, err);

	if (!name)
		return -1;
	snprintf(name, 16, "%s", th->comm);
	vec_sys(v, LABEL_NAME, SYS_prctl, PR_SET_NAME, P(name));
	return 0;
}

static int alt_stack(const Cr__ThreadInside *in, struct vec *v, struct arena *a, struct cr_err *err)
{
	stack_t *ss;

	if (!in->altstack || (in->altstack->ss_flags & SS_DISABLE && !in->altstack->size))
		return 0;
	ss = arena_alloc(a, sizeof(*ss), err);
	if (!ss)
		return -1;
	ss->ss_sp = (void *)in->altstack->sp;
	/* SS_ONSTACK is what the stack pointer says, not a flag to set. */
	ss->ss_flags = in->altstack->ss_flags & ~SS_ONSTACK;
	ss->ss_size = in->altstack->size;
	vec_sys(v, LABEL_SIGNAL, SYS_sigaltstack, P(ss), 0);
	return 0;
}

/* The parent's main thread has to end first. */
static bool pdeath_is_late(const struct task_image *t, unsigned int n)
{
	return t->threads[n].inside->parent_death_signal && t->parent &&
	       t->parent->task->dead_leader;
}

int attrs_thread(struct restore *r, const struct task_image *t, unsigned int n,
		 struct cr_agent_ctl *ctl, struct vec *v, struct arena *a, struct cr_err *err)
{
	const Cr__Thread *th = t->threads[n].thread;
	const Cr__ThreadInside *in = t->threads[n].inside;
	bool leaves;

	if (in->clear_child_tid)
		vec_sys(v, LABEL_ROBUST, SYS_set_tid_address, (int64_t)in->clear_child_tid)->expect =
			CR_EXPECT_ANY;
	if (th->robust_list)
		vec_sys(v, LABEL_ROBUST, SYS_set_robust_list, (int64_t)th->robust_list,
			(int64_t)th->robust_list_len);
	if (th->rseq)
		vec_sys(v, LABEL_RSEQ, SYS_rseq, (int64_t)th->rseq, th->rseq_len, th->rseq_flags,
			th->rseq_sig);
	if (thread_name(th, v, a, err) < 0 || alt_stack(in, v, a, err) < 0 ||
	    queue_signals(r, t, th->signals, th->n_signals, th->tid, v, a, err) < 0)
		return -1;
	/* Whom they notify must be there: it is the one that made all others. */
	if ((n == 0 && !t->task->dead_leader && timers_create(t, v, a, err) < 0) ||
	    special_thread(t, n, v, a, err) < 0 || filters_build(r, t, n, ctl, v, a, err) < 0 ||
	    creds_build(r, th->creds, in->securebits, v, a, err) < 0)
		return -1;
	/* A change of credentials has reset both of these. */
	if (n == 0 && t->inside->dumpable <= 1)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_DUMPABLE, t->inside->dumpable);
	/* Going away, which is no death of a parent, we would send it. */
	leaves = !t->parent && r->opts.detached && !r->opts.sibling && !r->opts.new_pid_ns;
	if (!pdeath_is_late(t, n) && !leaves)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_PDEATHSIG, in->parent_death_signal);
	else
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_PDEATHSIG, 0);
	return 0;
}

/* Any change of the credentials of a thread or a mate resets it. */
static bool dumpable_is_late(const struct task_image *t)
{
	return t->inside->dumpable <= 1 &&
	       (share_has_memory(t) || (t->n_threads > 1 && creds_differ(t)));
}

bool attrs_is_late(const struct task_image *t, unsigned int n)
{
	return t->threads[n].thread->has_remaining || (n == 0 && timers_any(t)) ||
	       (n == 0 && (share_has_table(t) || dumpable_is_late(t))) || pdeath_is_late(t, n);
}

/* The call to be asleep in, with the time that is left. */
static int sleep_call(const Cr__Thread *th, struct cr_op *op, struct arena *a, struct cr_err *err)
{
	struct timespec *ts = arena_alloc(a, sizeof(*ts), err);
	struct user_regs_struct regs;
	uint64_t args[6];
	long nr;

	if (!ts)
		return -1;
	if (th->regs.len != sizeof(regs))
		return cr_err_set(err, CR_BAD_INPUT, "thread %u: malformed registers", th->tid);
	memcpy(&regs, th->regs.data, sizeof(regs));
	nr = cr_arch_syscall(&regs, args);
	ts->tv_sec = (time_t)(th->remaining_ns / NS);
	ts->tv_nsec = (long)(th->remaining_ns % NS);
	op->nr = (int32_t)nr;
	memcpy(op->arg, args, sizeof(op->arg));
	switch (nr) {
	case SYS_nanosleep:
		op->arg[0] = P(ts);
		return 0;
	case SYS_clock_nanosleep:
		op->arg[2] = P(ts);
		return 0;
	case SYS_futex:
		op->arg[3] = P(ts);
		return 0;
	case SYS_poll:
		if ((int)args[2] >= 0)
			op->arg[2] = (int64_t)((th->remaining_ns + 999999) / 1000000);
		return 0;
	default:
		return cr_err_set(err, CR_BAD_INPUT, "thread %u: call %ld cannot be continued",
				  th->tid, nr);
	}
}

int attrs_park(struct restore *r, const struct task_image *t, unsigned int n,
	       struct cr_agent_ctl *ctl, struct vec *v, struct arena *a, struct cr_err *err)
{
	const Cr__Thread *th = t->threads[n].thread;
	struct cr_op *op;

	if (attrs_is_late(t, n)) {
		vec_op(v, CR_OP_ADD, LABEL_WAIT, VEC_ARGS(P(&ctl->arrived), 1));
		vec_op(v, CR_OP_WAIT, LABEL_WAIT, VEC_ARGS(P(&ctl->gate), 0));
		/* One of those that share a table: whoever closes a descriptor of a
		 * file loses the table's locks on it. */
		if (n == 0 && share_has_table(t) &&
		    (!t->share_files || t->share_files->task->dead_leader)) {
			mem_close_own(r, v);
			if (locks_of_process(r, t, v, a, err) < 0)
				return -1;
		}
		if (n == 0 && dumpable_is_late(t))
			vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_DUMPABLE, t->inside->dumpable);
		if (n == 0 && timers_start(t, v, a, err) < 0)
			return -1;
		if (pdeath_is_late(t, n))
			vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_PDEATHSIG,
				t->threads[n].inside->parent_death_signal);
	}
	op = vec_op(v, CR_OP_PARK, LABEL_PARK, VEC_ARGS(0));
	return th->has_remaining ? sleep_call(th, op, a, err) : 0;
}

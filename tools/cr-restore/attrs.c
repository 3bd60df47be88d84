/* SPDX-License-Identifier: MIT */
#include "attrs.h"

#include "arch.h"

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

int attrs_check(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	char object[32];

	if (t->task->n_rlimits > RLIM_NLIMITS)
		return cr_err_set(err, CR_BAD_INPUT, "pid %u: too many limits", t->task->pid);
	for (size_t i = 0; i < t->task->n_rlimits; i++) {
		struct rlimit own;

		if (getrlimit((int)i, &own) < 0 || t->task->rlimits[i]->hard <= own.rlim_max)
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
static int forget_sigchld(struct vec *v, struct arena *a, struct cr_err *err)
{
	struct kernel_sigaction *sa = arena_alloc(a, sizeof(*sa), err);

	if (!sa)
		return -1;
	vec_sys(v, LABEL_SIGNAL, SYS_rt_sigaction, SIGCHLD, P(sa), 0, SIGSET_BYTES);
	return 0;
}

/* Limits last of all that needs rights and descriptors. */
static int limits(const struct task_image *t, struct vec *v, struct arena *a, struct cr_err *err)
{
	for (size_t i = 0; i < t->task->n_rlimits; i++) {
		const Cr__Rlimit *in = t->task->rlimits[i];
		struct rlimit own, *lim;

		if (getrlimit((int)i, &own) == 0 && own.rlim_cur == in->soft &&
		    own.rlim_max == in->hard)
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

static int queue_signals(const ProtobufCBinaryData *list, size_t count, int64_t pid, int64_t tid,
			 struct vec *v, struct arena *a, struct cr_err *err)
{
	for (size_t i = 0; i < count; i++) {
		siginfo_t *info = arena_alloc(a, sizeof(*info), err);

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

int attrs_process(struct restore *r, const struct task_image *t, struct vec *v, struct arena *a,
		  struct cr_err *err)
{
	const Cr__Inside *in = t->inside;

	(void)r;
	if (forget_sigchld(v, a, err) < 0 || signal_actions(t, v, a, err) < 0)
		return -1;
	if (in->child_subreaper)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_CHILD_SUBREAPER, 1);
	if (in->thp_disable)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_THP_DISABLE, 1);
	if (queue_signals(t->task->shared_signals, t->task->n_shared_signals, t->task->pid, 0, v, a,
			  err) < 0)
		return -1;
	return limits(t, v, a, err);
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

int attrs_thread(struct restore *r, const struct task_image *t, unsigned int n, struct vec *v,
		 struct arena *a, struct cr_err *err)
{
	const Cr__Thread *th = t->threads[n].thread;
	const Cr__ThreadInside *in = t->threads[n].inside;

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
	    queue_signals(th->signals, th->n_signals, t->task->pid, th->tid, v, a, err) < 0)
		return -1;
	if (in->timer_slack_ns)
		vec_try(v, LABEL_PRCTL, SYS_prctl, PR_SET_TIMERSLACK, (int64_t)in->timer_slack_ns);
	if (creds_build(r, th->creds, t->inside->securebits, v, a, err) < 0)
		return -1;
	/* A change of credentials has reset both of these. */
	if (n == 0 && t->inside->dumpable <= 1)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_DUMPABLE, t->inside->dumpable);
	if (!pdeath_is_late(t, n))
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_PDEATHSIG, in->parent_death_signal);
	return 0;
}

static bool has_timers(const struct task_image *t)
{
	for (size_t i = 0; i < t->inside->n_itimers; i++)
		if (t->inside->itimers[i]->value_us || t->inside->itimers[i]->interval_us)
			return true;
	return false;
}

bool attrs_is_late(const struct task_image *t, unsigned int n)
{
	return t->threads[n].thread->has_remaining || (n == 0 && has_timers(t)) ||
	       pdeath_is_late(t, n);
}

static int start_timers(const struct task_image *t, struct vec *v, struct arena *a,
			struct cr_err *err)
{
	for (size_t i = 0; i < t->inside->n_itimers && i < 3; i++) {
		const Cr__ITimer *in = t->inside->itimers[i];
		struct itimerval *it;

		if (!in->value_us && !in->interval_us)
			continue;
		it = arena_alloc(a, sizeof(*it), err);
		if (!it)
			return -1;
		it->it_value.tv_sec = (time_t)(in->value_us / 1000000);
		it->it_value.tv_usec = (suseconds_t)(in->value_us % 1000000);
		/*
		 * Expired, and its SIGALRM not taken from the queue yet: the
		 * kernel winds it up again when that happens (2.6.17).
		 */
		if (i == ITIMER_REAL && !in->value_us)
			it->it_value.tv_usec = 1;
		it->it_interval.tv_sec = (time_t)(in->interval_us / 1000000);
		it->it_interval.tv_usec = (suseconds_t)(in->interval_us % 1000000);
		vec_sys(v, LABEL_TIMER, SYS_setitimer, (int64_t)i, P(it), 0);
	}
	return 0;
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

	(void)r;
	if (attrs_is_late(t, n)) {
		vec_op(v, CR_OP_ADD, LABEL_WAIT, VEC_ARGS(P(&ctl->arrived), 1));
		vec_op(v, CR_OP_WAIT, LABEL_WAIT, VEC_ARGS(P(&ctl->gate), 0));
		if (n == 0 && start_timers(t, v, a, err) < 0)
			return -1;
		if (pdeath_is_late(t, n))
			vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_PDEATHSIG,
				t->threads[n].inside->parent_death_signal);
	}
	op = vec_op(v, CR_OP_PARK, LABEL_PARK, VEC_ARGS(0));
	return th->has_remaining ? sleep_call(th, op, a, err) : 0;
}

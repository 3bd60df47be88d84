/* SPDX-License-Identifier: MIT */
#include "stopped.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"

#define SIGSET_BYTES 8
#define BIT(sig) (1ull << ((sig)-1))

struct stopper {
	struct restore *r;
	struct cr_tracee **first;	/* of each task, by its index */
};

/* The queue of the process (@tid 0) or a thread, and what came while it was
 * frozen: the first with a signal out of the set. */
static const siginfo_t *in_list(const ProtobufCBinaryData *list, size_t count, uint64_t set)
{
	for (size_t i = 0; i < count; i++) {
		const siginfo_t *info = (const siginfo_t *)list[i].data;

		if (info->si_signo > 0 && info->si_signo <= 64 && set & BIT(info->si_signo))
			return info;
	}
	return NULL;
}

static const siginfo_t *in_late(const struct restore *r, uint32_t pid, uint32_t tid, uint64_t set)
{
	const struct msg_list *late = &r->img.kinds[CR_KIND_LATE_SIGNALS];
	const siginfo_t *info = NULL;

	for (unsigned int i = 0; !info && i < late->count; i++) {
		const Cr__LateSignals *m = late->items[i];

		if (m->pid == pid && m->tid == tid)
			info = in_list(m->signals, m->n_signals, set);
	}
	return info;
}

static const siginfo_t *shared_pending(const struct restore *r, const struct task_image *t,
				       uint64_t set)
{
	const siginfo_t *info = in_list(t->task->shared_signals, t->task->n_shared_signals, set);

	return info ? info : in_late(r, t->task->pid, 0, set);
}

static const siginfo_t *thread_pending(const struct restore *r, const struct task_image *t,
				       unsigned int n, uint64_t set)
{
	const Cr__Thread *th = t->threads[n].thread;
	const siginfo_t *info = in_list(th->signals, th->n_signals, set);

	return info ? info : in_late(r, t->task->pid, th->tid, set);
}

static bool pending(const struct restore *r, const struct task_image *t, int sig)
{
	for (unsigned int n = 0; n < t->n_threads; n++)
		if (thread_pending(r, t, n, BIT(sig)))
			return true;
	return shared_pending(r, t, BIT(sig)) != NULL;
}

/* A handler would get the signal that is to stop the task. */
static bool has_action(const struct task_image *t, uint32_t sig)
{
	for (size_t i = 0; i < t->inside->n_actions; i++)
		if (t->inside->actions[i]->signal == sig && t->inside->actions[i]->handler)
			return true;
	return false;
}

static bool was_stopped(const struct task_image *t)
{
	return t->task->state == CR__TASK_STATE__STOPPED;
}

/* A SIGCONT or a SIGSTOP that came while the tree was frozen has done the
 * first half of its work there, which is not in the task's state. */
static bool late_continue(const struct restore *r, const struct task_image *t)
{
	return was_stopped(t) && pending(r, t, SIGCONT);
}

int stopped_by(const struct restore *r, const struct task_image *t)
{
	int sig = (int)t->task->stop_signal;

	if (task_is_zombie(t))
		return 0;
	if (was_stopped(t) && !late_continue(r, t))
		return (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU) &&
				       !has_action(t, (uint32_t)sig) ?
			       sig :
			       SIGSTOP;
	return r->opts.leave_stopped || (!was_stopped(t) && pending(r, t, SIGSTOP)) ? SIGSTOP : 0;
}

static bool has(const uint32_t *list, size_t count, uint32_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == pid)
			return true;
	return false;
}

static bool untold(const struct task_image *t)
{
	const Cr__Inside *in = t->parent ? t->parent->inside : NULL;

	return in && has(in->untold_stopped, in->n_untold_stopped, t->task->pid);
}

/* It has gone on, and its parent is to hear of it. */
static bool continued(const struct restore *r, const struct task_image *t)
{
	const Cr__Inside *in = t->parent ? t->parent->inside : NULL;

	if (task_is_zombie(t) || stopped_by(r, t))
		return false;
	return late_continue(r, t) ||
	       (in && has(in->untold_continued, in->n_untold_continued, t->task->pid));
}

/* The parent's SIGCHLD was not sent before the dump. */
static bool is_news(const struct restore *r, const struct task_image *t)
{
	return late_continue(r, t) || (!was_stopped(t) && pending(r, t, SIGSTOP));
}

#define STOPS (BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU))

bool stopped_absorbs(const struct restore *r, const struct task_image *t, int sig)
{
	if (sig == SIGSTOP)
		return true;
	/* They remove each other from the queues; see requeue(). */
	return sig > 0 && sig <= 64 && (STOPS | BIT(SIGCONT)) & BIT(sig) && continued(r, t);
}

static int call(struct stopper *s, const struct task_image *t, unsigned int n, long nr,
		const uint64_t args[6], long *result, struct cr_err *err)
{
	struct cr_tracee *th = &s->first[t->index][n];

	/* It goes back to where the agent was. */
	if (cr_tracee_save(th, err) < 0 ||
	    cr_tracee_syscall(th, slot_of(s->r, t)->insn, nr, args, result, err) < 0)
		return -1;
	return cr_tracee_restore(th, err);
}

static int wait_stop(struct cr_tracee *th, struct cr_err *err)
{
	int ret = cr_tracee_wait_stop(th, UINT64_MAX, err);

	if (ret > 0)
		return cr_err_set(err, CR_SYSTEM, "thread %d: it died while it was being restored",
				  (int)th->tid);
	return ret;
}

/* The first thread takes the signal, and with it the whole process stops. */
static int take_signal(struct cr_tracee *th, int sig, struct cr_err *err)
{
	if (cr_tracee_save(th, err) < 0 || cr_tracee_set_mask(th, ~BIT(sig), err) < 0)
		return -1;
	/* Not changed by us, in the sense that its stops are its own. */
	th->changed = false;
	th->stop_signal = 0;
	if (syscall(SYS_tgkill, th->pid, th->tid, sig) < 0)
		return cr_err_sys(err, "thread %d: unable to send it a signal", (int)th->tid);
	if (cr_tracee_cont(th, err) < 0 || wait_stop(th, err) < 0)
		return -1;
	return cr_tracee_set_mask(th, ~0ull, err);
}

static int stop_task(struct stopper *s, const struct task_image *t, int sig, struct cr_err *err)
{
	struct cr_tracee *th = s->first[t->index];

	if (take_signal(&th[0], sig, err) < 0)
		return -1;
	/* In a process group without a parent in its session the signals of
	 * job control do nothing. */
	if (th[0].stop_signal != sig && take_signal(&th[0], SIGSTOP, err) < 0)
		return -1;
	for (unsigned int n = 1; n < t->n_threads; n++)
		if (cr_tracee_interrupt(&th[n], err) < 0 || cr_tracee_cont(&th[n], err) < 0)
			return -1;
	for (unsigned int n = 1; n < t->n_threads; n++)
		if (wait_stop(&th[n], err) < 0)
			return -1;
	cr_fault("task-stopped");
	return 0;
}

/* Where the restorer puts arguments for the task: the page that both have. */
static uint64_t at(const struct slot *s, const void *field)
{
	return s->self + (uint64_t)((const uint8_t *)field - (const uint8_t *)s);
}

static int forget_signal(struct stopper *s, const struct task_image *t, unsigned int n, int sig,
			 struct cr_err *err)
{
	struct slot *sl = slot_of(s->r, t);
	uint64_t args[6] = { at(sl, &sl->set), 0, at(sl, &sl->none), SIGSET_BYTES };
	long ignored;

	sl->set = BIT(sig);
	memset(&sl->none, 0, sizeof(sl->none));
	return call(s, t, n, SYS_rt_sigtimedwait, args, &ignored, err);
}

static int requeue_one(struct stopper *s, const struct task_image *t, uint32_t tid,
		       const siginfo_t *info, struct cr_err *err)
{
	struct slot *sl = slot_of(s->r, t);
	uint64_t pid = t->task->pid, sig, in_thread[6], in_process[6];
	long result;

	if (!info)
		return 0;
	sig = (uint64_t)info->si_signo;
	memcpy(&sl->info, info, sizeof(sl->info));
	memcpy(in_thread, (const uint64_t[6]){ pid, tid, sig, at(sl, &sl->info) },
	       sizeof(in_thread));
	memcpy(in_process, (const uint64_t[6]){ pid, sig, at(sl, &sl->info) }, sizeof(in_process));
	if (call(s, t, 0, tid ? SYS_rt_tgsigqueueinfo : SYS_rt_sigqueueinfo,
		 tid ? in_thread : in_process, &result, err) < 0)
		return -1;
	return result < 0 ? cr_err_set(err, CR_SYSTEM, "pid %u: unable to queue signal %d: %s",
				       t->task->pid, info->si_signo, strerror((int)-result)) :
			    0;
}

/* What stopped_absorbs() kept back. */
static int requeue(struct stopper *s, const struct task_image *t, struct cr_err *err)
{
	static const int signals[] = { SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		uint64_t set = BIT(signals[i]);

		if (requeue_one(s, t, 0, shared_pending(s->r, t, set), err) < 0)
			return -1;
		for (unsigned int n = 0; n < t->n_threads; n++)
			if (requeue_one(s, t, t->threads[n].thread->tid,
					thread_pending(s->r, t, n, set), err) < 0)
				return -1;
	}
	return 0;
}

/* Stopped and gone on: the kernel has no other way to that state. */
static int cycle(struct stopper *s, const struct task_image *t, struct cr_err *err)
{
	if (stop_task(s, t, SIGSTOP, err) < 0)
		return -1;
	if (kill((pid_t)slot_of(s->r, t)->pid, SIGCONT) < 0)
		return cr_err_sys(err, "pid %u: SIGCONT", t->task->pid);
	return forget_signal(s, t, 0, SIGCONT, err) < 0 ? -1 : requeue(s, t, err);
}

/* The news of a stop, which the parent knew. */
static int take_news(struct stopper *s, const struct task_image *t, struct cr_err *err)
{
	uint64_t args[6] = { P_PID, t->task->pid, 0, WSTOPPED | WNOHANG | __WALL };
	long result;

	if (call(s, t->parent, 0, SYS_waitid, args, &result, err) < 0)
		return -1;
	return result < 0 ? cr_err_set(err, CR_SYSTEM, "pid %u: waitid(%u): %s",
				       t->parent->task->pid, t->task->pid, strerror((int)-result)) :
			    0;
}

/* Through a thread that has none in a queue of its own, which would be taken
 * first. */
static int forget_sigchld(struct stopper *s, const struct task_image *t, struct cr_err *err)
{
	if (shared_pending(s->r, t, BIT(SIGCHLD)))
		return 0;
	for (unsigned int n = 0; n < t->n_threads; n++)
		if (!thread_pending(s->r, t, n, BIT(SIGCHLD)))
			return forget_signal(s, t, n, SIGCHLD, err);
	return 0;
}

static int tell_parent(struct stopper *s, const struct task_image *parent, struct cr_err *err)
{
	bool forget = false, keep = false;

	for (unsigned int i = 0; i < parent->n_children; i++) {
		const struct task_image *t = parent->children[i];
		bool stopped = stopped_by(s->r, t) != 0;

		if (!stopped && !continued(s->r, t))
			continue;
		forget = true;
		keep |= is_news(s->r, t);
		if (stopped && !untold(t) && !is_news(s->r, t) && take_news(s, t, err) < 0)
			return -1;
	}
	return forget && !keep ? forget_sigchld(s, parent, err) : 0;
}

int stopped_make(struct restore *r, struct cr_tracee *threads, struct cr_err *err)
{
	cr_auto_free struct cr_tracee **first = calloc(r->img.n_tasks + 1, sizeof(*first));
	struct stopper s = { .r = r, .first = first };
	bool any = false;

	if (!first)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];
		int sig = stopped_by(r, t), ret = 0;

		first[i] = threads;
		threads += t->n_threads;
		if (sig)
			ret = stop_task(&s, t, sig, err);
		else if (continued(r, t))
			ret = cycle(&s, t, err);
		else
			continue;
		if (ret < 0)
			return -1;
		any = true;
	}
	for (unsigned int i = 0; any && i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		if (!task_is_zombie(t) && tell_parent(&s, t, err) < 0)
			return -1;
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "timers.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "ns.h"
#include "prctl-nr.h"
#include "timer-clock.h"

#define SIGSET_BYTES 8

/* Older kernels count: timers up to the id are made and deleted. */
#define MAX_COUNTED 4096

/* struct sigevent as the kernel has it */
struct kernel_sigevent {
	uint64_t value;
	int32_t signo;
	int32_t notify;
	int32_t tid;
	int32_t pad[11];
};

static bool ids_by_wish(void)
{
	return prctl(CR_PR_TIMER_IDS, CR_PR_TIMER_IDS_GET, 0, 0, 0) >= 0;
}

/* Does its time go on without its process? */
static bool is_real(const Cr__PosixTimer *m)
{
	return m->clock >= 0 && m->clock != CLOCK_PROCESS_CPUTIME_ID &&
	       m->clock != CLOCK_THREAD_CPUTIME_ID;
}

int timers_check(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	const Cr__Inside *in = t->inside;
	char object[32];

	for (size_t i = 0; i < in->n_timers; i++) {
		const Cr__PosixTimer *m = in->timers[i];

		if (m->id > INT32_MAX || (i && m->id <= in->timers[i - 1]->id))
			return cr_err_set(err, CR_BAD_INPUT, "pid %u: timer %u: out of order",
					  t->task->pid, m->id);
		snprintf(object, sizeof(object), "timer %u", m->id);
		if (m->id >= MAX_COUNTED && !ids_by_wish())
			refuse(r, t->task->pid, object,
			       "a timer with so high an id needs Linux 6.15");
	}
	return 0;
}

static void skip_to(uint32_t from, uint32_t to, void *none, int32_t *id, struct vec *v)
{
	for (; from < to; from++) {
		vec_sys(v, LABEL_TIMER, SYS_timer_create, CLOCK_MONOTONIC, P(none), P(id));
		vec_sys(v, LABEL_TIMER, SYS_timer_delete, from);
	}
}

static int create(const Cr__PosixTimer *m, struct vec *v, struct arena *a, struct cr_err *err)
{
	struct kernel_sigevent *ev = arena_alloc(a, sizeof(*ev), err);
	int32_t *id = arena_alloc(a, sizeof(*id), err);

	if (!ev || !id)
		return -1;
	ev->value = m->value;
	ev->signo = (int32_t)m->signal;
	ev->notify = (int32_t)m->notify;
	ev->tid = (int32_t)m->tid;
	*id = (int32_t)m->id;
	vec_sys(v, LABEL_TIMER, SYS_timer_create, m->clock, P(ev), P(id));
	return 0;
}

int timers_create(const struct task_image *t, struct vec *v, struct arena *a, struct cr_err *err)
{
	const Cr__Inside *in = t->inside;
	bool wish = ids_by_wish();
	struct kernel_sigevent *none;
	uint32_t next = 0;
	int32_t *id;

	if (!in->n_timers && !in->timer_restore_ids)
		return 0;
	none = arena_alloc(a, sizeof(*none), err);
	id = arena_alloc(a, sizeof(*id), err);
	if (!none || !id)
		return -1;
	none->notify = SIGEV_NONE;
	if (wish)
		vec_sys(v, LABEL_TIMER, SYS_prctl, CR_PR_TIMER_IDS, CR_PR_TIMER_IDS_ON);
	for (size_t i = 0; i < in->n_timers; i++) {
		if (!wish)
			skip_to(next, in->timers[i]->id, none, id, v);
		if (create(in->timers[i], v, a, err) < 0)
			return -1;
		next = in->timers[i]->id + 1;
	}
	if (wish && !in->timer_restore_ids)
		vec_sys(v, LABEL_TIMER, SYS_prctl, CR_PR_TIMER_IDS, CR_PR_TIMER_IDS_OFF);
	return 0;
}

static bool runs(const Cr__PosixTimer *m)
{
	return m->left_ns || (m->pending && is_real(m));
}

bool timers_any(const struct task_image *t)
{
	for (size_t i = 0; i < t->inside->n_itimers; i++)
		if (t->inside->itimers[i]->value_us || t->inside->itimers[i]->interval_us)
			return true;
	for (size_t i = 0; i < t->inside->n_timers; i++)
		if (runs(t->inside->timers[i]))
			return true;
	return false;
}

static bool queued(const ProtobufCBinaryData *list, size_t count, uint32_t signo)
{
	for (size_t i = 0; i < count; i++)
		if (((const siginfo_t *)list[i].data)->si_signo == (int)signo)
			return true;
	return false;
}

/*
 * What timer_getoverrun(2) returns belongs to the last signal that was taken.
 * It can be had again by letting the timer expire that often and taking the
 * signal, if no other signal is in the way.
 */
static bool can_overrun(const struct task_image *t, const Cr__PosixTimer *m)
{
	const Cr__Thread *th = t->threads[0].thread;
	struct timespec now;

	if (!m->overrun || !m->interval_ns || m->pending || !is_real(m) ||
	    m->notify == SIGEV_NONE || (m->notify & SIGEV_THREAD_ID && m->tid != th->tid) ||
	    queued(t->task->shared_signals, t->task->n_shared_signals, m->signal) ||
	    queued(th->signals, th->n_signals, m->signal))
		return false;
	return clock_gettime(m->clock, &now) == 0 &&
	       m->overrun + 1 < (uint64_t)now.tv_sec * 1000000000 / m->interval_ns;
}

/* Take the signal that the timer has sent: all signals are blocked here. */
static int take_signal(const Cr__PosixTimer *m, struct vec *v, struct arena *a, struct cr_err *err)
{
	uint64_t *set = arena_alloc(a, sizeof(*set), err);
	struct timespec *limit = arena_alloc(a, sizeof(*limit), err);

	if (!set || !limit)
		return -1;
	*set = 1ull << (m->signal - 1);
	limit->tv_nsec = 10000000;
	vec_try(v, LABEL_TIMER, SYS_rt_sigtimedwait, P(set), 0, P(limit), SIGSET_BYTES);
	return 0;
}

static int start(const struct task_image *t, const Cr__PosixTimer *m, struct vec *v,
		 struct arena *a, struct cr_err *err)
{
	struct itimerspec *its = arena_alloc(a, sizeof(*its), err);
	bool overrun = can_overrun(t, m);
	uint64_t ago = 0;

	if (!its)
		return -1;
	its->it_interval = cr_ns_timespec(m->interval_ns);
	its->it_value = cr_ns_timespec(m->left_ns ? m->left_ns : 1);
	if (m->pending && m->interval_ns && is_real(m))
		ago = m->interval_ns;
	else if (overrun)
		ago = (m->overrun + 1) * m->interval_ns;
	if (ago)
		vec_op(v, CR_OP_CLOCK, LABEL_TIMER,
		       VEC_ARGS(P(&its->it_value), m->clock, (int64_t)(m->left_ns - ago)));
	vec_sys(v, LABEL_TIMER, SYS_timer_settime, m->id, ago ? TIMER_ABSTIME : 0, P(its), 0);
	return overrun ? take_signal(m, v, a, err) : 0;
}

static int start_itimer(int64_t which, const Cr__ITimer *in, struct vec *v, struct arena *a,
			struct cr_err *err)
{
	struct itimerval *it = arena_alloc(a, sizeof(*it), err);

	if (!it)
		return -1;
	it->it_value.tv_sec = (time_t)(in->value_us / 1000000);
	it->it_value.tv_usec = (suseconds_t)(in->value_us % 1000000);
	/*
	 * Expired, and its SIGALRM not taken from the queue yet: the kernel
	 * winds it up again when that happens (2.6.17).
	 */
	if (which == ITIMER_REAL && !in->value_us)
		it->it_value.tv_usec = 1;
	it->it_interval.tv_sec = (time_t)(in->interval_us / 1000000);
	it->it_interval.tv_usec = (suseconds_t)(in->interval_us % 1000000);
	vec_sys(v, LABEL_TIMER, SYS_setitimer, which, P(it), 0);
	return 0;
}

int timers_start(const struct task_image *t, struct vec *v, struct arena *a, struct cr_err *err)
{
	const Cr__Inside *in = t->inside;

	for (size_t i = 0; i < in->n_timers; i++)
		if (runs(in->timers[i]) && start(t, in->timers[i], v, a, err) < 0)
			return -1;
	for (size_t i = 0; i < in->n_itimers && i < 3; i++)
		if ((in->itimers[i]->value_us || in->itimers[i]->interval_us) &&
		    start_itimer((int64_t)i, in->itimers[i], v, a, err) < 0)
			return -1;
	return 0;
}

bool timers_send_again(const struct task_image *t, const void *siginfo)
{
	const siginfo_t *info = siginfo;

	if (info->si_code != SI_TIMER)
		return false;
	for (size_t i = 0; i < t->inside->n_timers; i++) {
		const Cr__PosixTimer *m = t->inside->timers[i];

		if (m->id == (uint32_t)info->si_timerid)
			return m->pending && is_real(m);
	}
	return false;
}

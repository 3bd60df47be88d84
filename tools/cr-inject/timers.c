/* SPDX-License-Identifier: MIT */
#include "timers.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "late-signals.h"
#include "proc.h"
#include "timer-clock.h"
#include "tree.h"

#define NS 1000000000ull
#define AT_ONCE 64

/* Answers about one timer in a vector's data. */
struct answer {
	int64_t spec[4];	/* struct itimerspec */
	int64_t overrun;
};

static bool is_itimer(const siginfo_t *info, int signo)
{
	return info->si_signo == signo && info->si_code == SI_KERNEL;
}

int timers_note_signals(struct timer_signals *known, const ProtobufCBinaryData *signals,
			size_t count, struct cr_err *err)
{
	for (size_t i = 0; i < count; i++) {
		siginfo_t info;
		uint32_t *grown;

		if (signals[i].len != sizeof(info))
			continue;
		memcpy(&info, signals[i].data, sizeof(info));
		known->alarm |= is_itimer(&info, SIGALRM);
		if (info.si_code != SI_TIMER)
			continue;
		grown = realloc(known->ids, (known->count + 1) * sizeof(*grown));
		if (!grown)
			return cr_err_sys(err, "out of memory");
		known->ids = grown;
		known->ids[known->count++] = (uint32_t)info.si_timerid;
	}
	return 0;
}

void timers_forget_signals(struct timer_signals *known)
{
	free(known->ids);
	memset(known, 0, sizeof(*known));
}

static bool has_id(const struct timer_signals *known, uint32_t id)
{
	for (size_t i = 0; i < known->count; i++)
		if (known->ids[i] == id)
			return true;
	return false;
}

static int add_timer(struct timers *t, const Cr__PosixTimer *from, struct cr_err *err)
{
	Cr__PosixTimer **grown = realloc(t->list, (t->count + 1) * sizeof(*grown));
	Cr__PosixTimer *copy = malloc(sizeof(*copy));

	if (grown)
		t->list = grown;
	if (!grown || !copy) {
		free(copy);
		return cr_err_sys(err, "out of memory");
	}
	*copy = *from;
	t->list[t->count++] = copy;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = (*(Cr__PosixTimer *const *)a)->id, y = (*(Cr__PosixTimer *const *)b)->id;

	return x < y ? -1 : x > y;
}

/* Four lines a timer: fs/proc/base.c, show_timer(). */
static int read_timers(pid_t pid, struct timers *t, struct cr_err *err)
{
	cr_auto_free char *text = NULL;
	const char *p;

	if (cr_proc_read(pid, "timers", &text, NULL, err) < 0)
		return err->errnum == ENOENT ? 0 : -1;
	for (p = text; *p;) {
		Cr__PosixTimer m = CR__POSIX_TIMER__INIT;
		char how[8], whom[4];
		int used = 0;

		if (sscanf(p,
			   "ID: %" SCNu32 "\nsignal: %" SCNu32 "/%" SCNx64
			   "\nnotify: %7[a-z]/%3[a-z].%" SCNu32 "\nClockID: %" SCNd32 "\n%n",
			   &m.id, &m.signal, &m.value, how, whom, &m.tid, &m.clock, &used) != 7 ||
		    !used)
			return cr_err_set(err, CR_SYSTEM, "/proc/%d/timers: not understood",
					  (int)pid);
		m.notify = how[0] == 'n' ? SIGEV_NONE : how[0] == 't' ? SIGEV_THREAD : SIGEV_SIGNAL;
		if (whom[0] == 't')
			m.notify |= SIGEV_THREAD_ID;
		else
			m.tid = 0;
		if (add_timer(t, &m, err) < 0)
			return -1;
		p += used;
	}
	if (t->count)
		qsort(t->list, t->count, sizeof(*t->list), by_id);
	return 0;
}

static int ask_some(struct cr_session *s, pid_t pid, Cr__PosixTimer *const *list, size_t n,
		    struct answer *answers, struct cr_err *err)
{
	struct cr_op ops[2 * AT_ONCE] = { 0 };
	uint32_t done;

	for (size_t i = 0; i < n; i++) {
		struct cr_op *get = &ops[2 * i], *overrun = get + 1;

		get->nr = SYS_timer_gettime;
		get->arg[0] = list[i]->id;
		get->arg[1] = (int64_t)(i * sizeof(*answers));
		get->in_data = 2;
		overrun->nr = SYS_timer_getoverrun;
		overrun->arg[0] = list[i]->id;
		overrun->result_at =
			(uint32_t)(i * sizeof(*answers) + offsetof(struct answer, overrun)) + 1;
	}
	if (cr_session_run(s, pid, ops, (uint32_t)(2 * n), answers, n * sizeof(*answers), &done,
			   err) < 0)
		return -1;
	if (done < 2 * n)
		return cr_err_set(err, CR_REFUSED, "pid %d: timer %u: %s", (int)pid,
				  list[done / 2]->id, strerror((int)-ops[done].result));
	return 0;
}

static int ask_all(struct cr_session *s, pid_t pid, struct timers *t, struct cr_err *err)
{
	struct answer answers[AT_ONCE];

	for (size_t from = 0; from < t->count; from += AT_ONCE) {
		size_t n = t->count - from < AT_ONCE ? t->count - from : AT_ONCE;

		memset(answers, 0, sizeof(answers));
		if (ask_some(s, pid, t->list + from, n, answers, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++) {
			Cr__PosixTimer *m = t->list[from + i];
			const int64_t *v = answers[i].spec;

			m->interval_ns = (uint64_t)v[0] * NS + (uint64_t)v[1];
			m->left_ns = (uint64_t)v[2] * NS + (uint64_t)v[3];
			m->overrun = (uint64_t)answers[i].overrun;
		}
	}
	return 0;
}

/* Has the timer's own time run on since the freeze? */
static bool runs_on(const Cr__PosixTimer *m)
{
	return m->clock >= 0 && m->clock != CLOCK_PROCESS_CPUTIME_ID &&
	       m->clock != CLOCK_THREAD_CPUTIME_ID;
}

/* Time left to the phase of an interval at the freeze. */
static uint64_t phase(uint64_t left, uint64_t passed, uint64_t interval)
{
	return (left + passed - 1) % interval + 1;
}

/*
 * The timer was asked @passed ns after the freeze.  When its signal came in
 * between, it was about to expire then; the signal itself is not recorded.
 */
static void to_freeze(Cr__PosixTimer *m, bool came, uint64_t passed)
{
	if (!runs_on(m))
		passed = 0;
	if (!m->left_ns) {
		m->left_ns = came ? 1 : 0;
		return;
	}
	/* Nobody sees a SIGEV_NONE timer expire. */
	if (m->interval_ns && m->left_ns <= m->interval_ns &&
	    (came || m->pending || m->notify == SIGEV_NONE))
		m->left_ns = phase(m->left_ns, passed, m->interval_ns);
	else
		m->left_ns += passed;
}

static bool came_late(const struct cr_late_signal *late, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (late[i].info.si_code == SI_TIMER && (uint32_t)late[i].info.si_timerid == id)
			return true;
	return false;
}

static bool alarm_late(const struct cr_late_signal *late, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!late[i].tid && is_itimer(&late[i].info, SIGALRM))
			return true;
	return false;
}

int timers_ask(struct cr_session *s, pid_t pid, uint64_t frozen_ns,
	       const struct timer_signals *known, uint64_t pending, struct timers *t,
	       struct cr_err *err)
{
	cr_auto_free struct cr_late_signal *late = NULL;
	uint64_t asked_ns = cr_now_ns();
	bool new_alarm = pending & 1ull << (SIGALRM - 1) && !known->alarm;
	size_t n_late = 0;

	memset(t, 0, sizeof(*t));
	t->passed_ns = asked_ns > frozen_ns ? asked_ns - frozen_ns : 0;
	if (read_timers(pid, t, err) < 0)
		return -1;
	asked_ns = cr_now_ns();
	if (ask_all(s, pid, t, err) < 0)
		return -1;
	if ((t->count || new_alarm) && cr_session_late_signals(s, pid, &late, &n_late, err) < 0)
		return -1;
	t->alarm_came = new_alarm && alarm_late(late, n_late);
	for (size_t i = 0; i < t->count; i++) {
		Cr__PosixTimer *m = t->list[i];
		bool before = has_id(known, m->id);

		m->pending = before;
		to_freeze(m, !before && came_late(late, n_late, m->id), asked_ns - frozen_ns);
	}
	return 0;
}

void timers_fill_itimer(const struct timers *t, int which, const uint64_t from[4], Cr__ITimer *to)
{
	uint64_t passed_us = which == ITIMER_REAL ? t->passed_ns / 1000 : 0;

	cr__itimer__init(to);
	to->interval_us = from[0] * 1000000 + from[1];
	to->value_us = from[2] * 1000000 + from[3];
	if (to->value_us)
		to->value_us += passed_us;
	else if (which == ITIMER_REAL && t->alarm_came)
		to->value_us = 1;
}

void timers_clear(struct timers *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->list[i]);
	free(t->list);
	memset(t, 0, sizeof(*t));
}

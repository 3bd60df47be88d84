/* SPDX-License-Identifier: MIT */
/*
 * POSIX timers: sparse ids, every kind of notification, every clock; stopped,
 * running, periodic, pending with overruns; the three of setitimer(2).  A timer
 * does not run while the process is away.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "target.h"

#define HOUR 3600ull
#define NS 1000000000ull
#define MAX_TIMERS 16

struct timer {
	const char *name;
	int id;
	clockid_t clock;
	uint64_t left_s;	/* that it was started with; 0: stopped */
	uint64_t interval_s;
};

static struct timer timers[MAX_TIMERS];
static unsigned int count;
static int pending_id, overrun_id, ticker_id;
static volatile sig_atomic_t ticks, alarms;
static pthread_t helper;
static volatile pid_t helper_tid;
static char before[4096], after[4096];

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void *help(void *arg)
{
	(void)arg;
	helper_tid = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

static int create(clockid_t clock, int notify, int sig, pid_t tid)
{
	struct sigevent ev = { .sigev_notify = notify, .sigev_signo = sig };
	int id;

	ev.sigev_value.sival_ptr = (void *)0x1234567890;
	ev._sigev_un._tid = tid;
	t_must(syscall(SYS_timer_create, clock, &ev, &id));
	return id;
}

static void settime(int id, int flags, uint64_t value_ns, uint64_t interval_ns)
{
	struct itimerspec its = {
		{ (time_t)(interval_ns / NS), (long)(interval_ns % NS) },
		{ (time_t)(value_ns / NS), (long)(value_ns % NS) },
	};

	t_must(syscall(SYS_timer_settime, id, flags, &its, NULL));
}

static void add(const char *name, clockid_t clock, int notify, pid_t tid, uint64_t left_s,
		uint64_t interval_s)
{
	struct timer *t = &timers[count++];

	*t = (struct timer){ name, 0, clock, left_s, interval_s };
	t->id = create(clock, notify, SIGRTMIN + 1, tid);
	settime(t->id, 0, left_s * NS, interval_s * NS);
}

/* Ids that are given back leave holes. */
static void skip_ids(int n)
{
	while (n--)
		t_must(syscall(SYS_timer_delete, create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0)));
}

static void setup(void)
{
	clockid_t its_clock;

	skip_ids(5);
	add("realtime", CLOCK_REALTIME, SIGEV_SIGNAL, 0, HOUR, 0);
	add("stopped", CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0, 0);
	add("none", CLOCK_MONOTONIC, SIGEV_NONE, 0, HOUR, 7);
	skip_ids(90);
	add("boottime", CLOCK_BOOTTIME, SIGEV_SIGNAL, 0, HOUR, HOUR);
	add("tai", CLOCK_TAI, SIGEV_SIGNAL, 0, HOUR, 0);
	add("thread", CLOCK_MONOTONIC, SIGEV_THREAD_ID, helper_tid, HOUR, 0);
	add("process cpu", CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 0, HOUR, 11);
	add("thread cpu", CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, 0, HOUR, 0);
	t_must(pthread_getcpuclockid(helper, &its_clock));
	add("helper's cpu", its_clock, SIGEV_SIGNAL, 0, HOUR, 0);
}

/* In all threads: what is pending stays so, and overruns are counted. */
static void block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigaddset(&set, SIGRTMIN + 4);
	t_must(sigprocmask(SIG_BLOCK, &set, NULL));
}

static void setup_signals(void)
{
	pending_id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 3, 0);
	settime(pending_id, 0, 1000000, NS / 50);
	signal(SIGRTMIN + 2, on_tick);
	ticker_id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 2, 0);
	settime(ticker_id, 0, 5000000, 5000000);
}

static void setup_overrun(void)
{
	struct timespec now, limit = { 10, 0 };
	siginfo_t info;
	sigset_t set;

	overrun_id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 4, 0);
	t_must(clock_gettime(CLOCK_MONOTONIC, &now));
	/* Four minutes ago, every minute: overrun 3 or 4, the next in a while. */
	settime(overrun_id, TIMER_ABSTIME, ((uint64_t)now.tv_sec - 210) * NS, 60 * NS);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 4);
	t_must(sigtimedwait(&set, &info, &limit));
	t_same("overrun at first", 3, (uint64_t)syscall(SYS_timer_getoverrun, overrun_id));
}

static void setup_itimers(void)
{
	struct itimerval real = { { 0, 10000 }, { 0, 10000 } };
	struct itimerval virt = { { 5, 0 }, { HOUR, 0 } }, prof = { { 0, 0 }, { HOUR, 0 } };

	signal(SIGALRM, on_alarm);
	t_must(setitimer(ITIMER_REAL, &real, NULL));
	t_must(setitimer(ITIMER_VIRTUAL, &virt, NULL));
	t_must(setitimer(ITIMER_PROF, &prof, NULL));
}

static void check_timer(const struct timer *t)
{
	struct itimerspec its;
	uint64_t left;

	if (syscall(SYS_timer_gettime, t->id, &its) < 0) {
		t_differs("%s: timer %d: %s", t->name, t->id, strerror(errno));
		return;
	}
	left = (uint64_t)its.it_value.tv_sec * NS + (uint64_t)its.it_value.tv_nsec;
	t_same(t->name, t->interval_s, (uint64_t)its.it_interval.tv_sec);
	/* Ten minutes are enough for any test, and much less than an hour. */
	if (left > t->left_s * NS || (t->left_s && left < (t->left_s - 600) * NS))
		t_differs("%s: timer %d has %llu ns left", t->name, t->id,
			  (unsigned long long)left);
}

static void check_pending(void)
{
	struct timespec none = { 0, 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	settime(pending_id, 0, 0, 0);
	/* Linux 6.13 drops what a timer has sent when it is stopped. */
	while (sigtimedwait(&set, &info, &none) > 0)
		t_same("pending: id", (uint64_t)pending_id, (uint64_t)info.si_timerid);
	settime(pending_id, 0, 1000000, NS / 50);
	t_sleep_ms(200);
	if (sigtimedwait(&set, &info, &none) < 0) {
		t_differs("pending: nothing is");
		return;
	}
	t_same("pending: code", (uint64_t)SI_TIMER, (uint64_t)info.si_code);
	t_same("pending: value", 0x1234567890, (uint64_t)info.si_value.sival_ptr);
	t_true("pending: overruns", info.si_overrun >= 5);
}

static void check_itimers(void)
{
	struct itimerval it;
	int had = alarms, had_ticks = ticks;

	for (int i = 0; i < 200 && (alarms < had + 3 || ticks < had_ticks + 3); i++)
		t_sleep_ms(10);
	t_true("ITIMER_REAL goes on", alarms >= had + 3);
	t_true("the ticker goes on", ticks >= had_ticks + 3);
	t_must(getitimer(ITIMER_VIRTUAL, &it));
	t_same("ITIMER_VIRTUAL: interval", 5, (uint64_t)it.it_interval.tv_sec);
	t_true("ITIMER_VIRTUAL", it.it_value.tv_sec > (time_t)HOUR - 600);
	t_must(getitimer(ITIMER_PROF, &it));
	t_same("ITIMER_PROF: interval", 0, (uint64_t)it.it_interval.tv_sec);
	t_true("ITIMER_PROF", it.it_value.tv_sec > (time_t)HOUR - 600);
}

/* A timer on this thread's CPU time comes back as one that names the thread. */
static void read_timers(char *buf, size_t size)
{
	char *own, name[32];

	t_read("/proc/self/timers", buf, size);
	snprintf(name, sizeof(name), "ClockID: %d\n", (int)(~(unsigned int)getpid() << 3 | 6));
	own = strstr(buf, "ClockID: -2\n");
	if (own) {
		size_t len = strlen(name), old = strlen("ClockID: -2\n");

		memmove(own + len, own + old, strlen(own + old) + 1);
		memcpy(own, name, len);
	}
}

int main(void)
{
	t_init();
	block();
	t_must(pthread_create(&helper, NULL, help, NULL));
	while (!helper_tid)
		t_sleep_ms(1);
	setup();
	setup_signals();
	setup_overrun();
	setup_itimers();
	read_timers(before, sizeof(before));
	t_ready();
	if (t_spoiled())
		settime(timers[0].id, 0, 1000 * NS, 0);
	t_wait();
	read_timers(after, sizeof(after));
	t_same_lines("/proc/self/timers", before, after);
	for (unsigned int i = 0; i < count; i++)
		check_timer(&timers[i]);
	t_same("overrun", 3, (uint64_t)syscall(SYS_timer_getoverrun, overrun_id));
	check_pending();
	check_itimers();
	return t_done();
}

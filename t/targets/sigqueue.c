/* SPDX-License-Identifier: MIT */
/*
 * Blocked signals in the queues of the process and of two threads: which,
 * in what order, with what siginfo.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "target.h"

struct queued {
	int sig, code, value;
	bool has_value;
};

#define RT SIGRTMIN

/* In the order in which sigtimedwait gives them out: by number, then by age. */
#define PROCESS_MAX 7
#define THREAD_MAX 5

/* More than is read of a queue at once. */
#define MANY 150

static sigset_t all;
static volatile bool waiting;
static bool over;

/* @tid 0: the process. */
static void queue_many(pid_t tid)
{
	siginfo_t info = { .si_code = SI_QUEUE, .si_pid = getpid(), .si_uid = 12345 };

	for (int i = 0; i < MANY; i++) {
		info.si_value.sival_int = i;
		if (tid)
			t_must(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, RT + 11, &info));
		else
			t_must(syscall(SYS_rt_sigqueueinfo, getpid(), RT + 10, &info));
	}
}

static void queue_process(void)
{
	union sigval v;

	t_must(kill(getpid(), SIGUSR1));
	t_must(kill(getpid(), SIGUSR1));	/* only once in the queue */
	v.sival_int = 4711;
	t_must(sigqueue(getpid(), SIGTERM, v));
	for (int i = 0; i < 3; i++) {
		v.sival_int = 100 + i;
		t_must(sigqueue(getpid(), RT + 5, v));
	}
	v.sival_int = 1050;
	t_must(sigqueue(getpid(), RT + 2, v));
	t_must(kill(getpid(), SIGCHLD));
	queue_many(0);
}

static void expect_many(const char *who, int sig)
{
	siginfo_t info = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	for (int i = 0; i < MANY; i++) {
		static const struct timespec none;

		if (sigtimedwait(&set, &info, &none) != sig || info.si_value.sival_int != i ||
		    info.si_uid != 12345 || info.si_code != SI_QUEUE) {
			t_differs("%s: entry %d of many: is %d", who, i, info.si_value.sival_int);
			return;
		}
	}
}

static void queue_thread(int base)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	siginfo_t info;

	t_must(syscall(SYS_tgkill, getpid(), tid, SIGUSR2));
	for (int i = 0; i < 3; i++) {
		memset(&info, 0, sizeof(info));
		info.si_code = SI_QUEUE;
		info.si_pid = getpid();
		info.si_uid = 12345;
		info.si_value.sival_int = base + i;
		t_must(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, RT + 7, &info));
	}
	t_must(syscall(SYS_tgkill, getpid(), tid, RT + 9));
	queue_many(tid);
}

static void expect(const char *who, const sigset_t *set, const struct queued *q)
{
	static const struct timespec none;
	siginfo_t info;
	char what[80];
	int sig;

	memset(&info, 0, sizeof(info));
	/* The C library's turns SI_TKILL into SI_USER. */
	sig = (int)syscall(SYS_rt_sigtimedwait, set, &info, &none, 8);
	if (sig < 0) {
		t_differs("%s: signal %d is not in the queue", who, q->sig);
		return;
	}
	snprintf(what, sizeof(what), "%s: next signal", who);
	t_same(what, (uint64_t)q->sig, (uint64_t)sig);
	snprintf(what, sizeof(what), "%s: signal %d: si_code", who, sig);
	t_same(what, (uint64_t)q->code, (uint64_t)info.si_code);
	snprintf(what, sizeof(what), "%s: signal %d: si_pid", who, sig);
	t_same(what, (uint64_t)getpid(), (uint64_t)info.si_pid);
	snprintf(what, sizeof(what), "%s: signal %d: si_value", who, sig);
	if (q->has_value)
		t_same(what, (uint64_t)q->value, (uint64_t)info.si_value.sival_int);
	snprintf(what, sizeof(what), "%s: signal %d: si_uid", who, sig);
	t_same(what, q->code == SI_QUEUE && q->value < 100 ? 12345 : getuid(), info.si_uid);
}

static void expect_empty(const char *who, const sigset_t *set)
{
	static const struct timespec none;
	int sig = sigtimedwait(set, NULL, &none);

	if (sig >= 0)
		t_differs("%s: signal %d is in the queue too often", who, sig);
}

/* Only the private queue: signals that the process does not have. */
static void check_thread(const char *who, int base)
{
	const struct queued list[THREAD_MAX] = {
		{ SIGUSR2, SI_TKILL, 0, false },      { RT + 7, SI_QUEUE, base, true },
		{ RT + 7, SI_QUEUE, base + 1, true }, { RT + 7, SI_QUEUE, base + 2, true },
		{ RT + 9, SI_TKILL, 0, false },
	};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, RT + 7);
	sigaddset(&set, RT + 9);
	for (int i = 0; i < THREAD_MAX; i++)
		expect(who, &set, &list[i]);
	expect_many(who, RT + 11);
	sigaddset(&set, RT + 11);
	expect_empty(who, &set);
}

static void check_process(void)
{
	const struct queued list[PROCESS_MAX] = {
		{ SIGUSR1, SI_USER, 0, false },	 { SIGTERM, SI_QUEUE, 4711, true },
		{ SIGCHLD, SI_USER, 0, false },	 { RT + 2, SI_QUEUE, 50 + 1000, true },
		{ RT + 5, SI_QUEUE, 100, true }, { RT + 5, SI_QUEUE, 101, true },
		{ RT + 5, SI_QUEUE, 102, true },
	};

	for (int i = 0; i < PROCESS_MAX; i++)
		expect("process", &all, &list[i]);
	expect_many("process", RT + 10);
	expect_empty("process", &all);
}

static void *other(void *arg)
{
	queue_thread(70);
	waiting = true;
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
		t_sleep_ms(5);
	check_thread("thread", 70);
	return arg;
}

int main(void)
{
	pthread_t thread;
	sigset_t now;

	t_init();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	queue_process();
	queue_thread(20);
	if (pthread_create(&thread, NULL, other, NULL) != 0)
		t_fatal("pthread_create");
	while (!waiting)
		t_sleep_ms(1);
	sigprocmask(SIG_SETMASK, NULL, &all);
	t_ready();
	if (t_spoiled())
		sigwaitinfo(&all, NULL);
	t_wait();
	sigprocmask(SIG_SETMASK, NULL, &now);
	t_same("signal mask", 0, (uint64_t)memcmp(&all, &now, 8));
	check_thread("main", 20);
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	check_process();
	return t_done();
}

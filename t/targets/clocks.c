/* SPDX-License-Identifier: MIT */
/*
 * CLOCK_MONOTONIC and CLOCK_BOOTTIME go on from where they were, and what ends
 * at a time of theirs, in memory or in the kernel, ends then.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/timerfd.h>

#include "target.h"

#define S 1000000000ull
#define AHEAD (2 * S)		/* the deadlines, from the start */
#define LATE (600 * S)		/* of a machine that is very busy */

static uint64_t deadline, fired_at;
static uint64_t slept_until, waited_until;
static int tfd;

static uint64_t clock_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * S + (uint64_t)ts.tv_nsec;
}

static struct timespec at(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / S), (long)(ns % S) };
}

static void on_timer(int sig)
{
	(void)sig;
	fired_at = clock_now(CLOCK_MONOTONIC);
}

static void *sleep_thread(void *arg)
{
	struct timespec ts = at(deadline);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) != 0)
		;
	slept_until = clock_now(CLOCK_MONOTONIC);
	return arg;
}

static void *wait_thread(void *arg)
{
	struct timespec ts = at(deadline);
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_condattr_t attr;
	pthread_cond_t c;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c, &attr);
	pthread_mutex_lock(&m);
	while (pthread_cond_timedwait(&c, &m, &ts) == 0)
		;
	pthread_mutex_unlock(&m);
	waited_until = clock_now(CLOCK_MONOTONIC);
	return arg;
}

static void arm(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec its = { .it_value = at(deadline) };
	timer_t timer;

	signal(SIGUSR1, on_timer);
	t_must(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	t_must(timer_settime(timer, TIMER_ABSTIME, &its, NULL));
	tfd = t_must(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC));
	its.it_value = at(clock_now(CLOCK_BOOTTIME) + deadline - clock_now(CLOCK_MONOTONIC));
	t_must(timerfd_settime(tfd, TFD_TIMER_ABSTIME, &its, NULL));
}

static void on_time(const char *what, uint64_t when)
{
	if (when < deadline || when > deadline + LATE)
		t_differs("%s: ended %lld ms after its time", what,
			  (long long)(when - deadline) / 1000000);
}

int main(void)
{
	uint64_t mono, boot, count;
	pthread_t threads[2];

	t_init();
	deadline = clock_now(CLOCK_MONOTONIC) + AHEAD;
	arm();
	if (pthread_create(&threads[0], NULL, sleep_thread, NULL) != 0 ||
	    pthread_create(&threads[1], NULL, wait_thread, NULL) != 0)
		t_fatal("pthread_create");
	mono = clock_now(CLOCK_MONOTONIC);
	boot = clock_now(CLOCK_BOOTTIME);
	t_ready();
	t_wait();
	if (t_spoiled())
		mono += 3600 * S;
	if (clock_now(CLOCK_MONOTONIC) - mono > LATE)
		t_differs("CLOCK_MONOTONIC: went on by %lld ms",
			  (long long)(clock_now(CLOCK_MONOTONIC) - mono) / 1000000);
	if (clock_now(CLOCK_BOOTTIME) - boot > LATE)
		t_differs("CLOCK_BOOTTIME: went on by %lld ms",
			  (long long)(clock_now(CLOCK_BOOTTIME) - boot) / 1000000);
	if (t_differences)
		return t_done();
	t_must(read(tfd, &count, sizeof(count)));
	on_time("timerfd", clock_now(CLOCK_MONOTONIC));
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	while (!fired_at)
		t_sleep_ms(5);
	on_time("clock_nanosleep", slept_until);
	on_time("pthread_cond_timedwait", waited_until);
	on_time("the timer", fired_at);
	return t_done();
}

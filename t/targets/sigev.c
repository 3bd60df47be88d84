/* SPDX-License-Identifier: MIT */
/*
 * Timers of SIGEV_THREAD: the C library has one thread that waits for a signal
 * which no program can block with sigfillset(3), and starts a thread for each.
 */
#include <signal.h>

#include "target.h"

#define TIMERS 3

static unsigned int calls[TIMERS];

static void expired(union sigval v)
{
	__atomic_add_fetch(&calls[v.sival_int], 1, __ATOMIC_RELAXED);
}

static void settime(timer_t t, long ns)
{
	struct itimerspec its = { { 0, ns }, { 0, ns } };

	t_must(timer_settime(t, 0, &its, NULL));
}

int main(void)
{
	timer_t t[TIMERS];
	unsigned int had[TIMERS];

	t_init();
	for (int i = 0; i < TIMERS; i++) {
		struct sigevent ev = { .sigev_notify = SIGEV_THREAD };

		ev.sigev_value.sival_int = i;
		ev.sigev_notify_function = expired;
		t_must(timer_create(i == 1 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &ev, &t[i]));
		/* The last one is stopped. */
		settime(t[i], i == TIMERS - 1 ? 0 : 2000000 + 1000000 * i);
	}
	t_ready();
	if (t_spoiled())
		settime(t[0], 0);
	t_wait();
	t_sleep_ms(50);		/* for calls that were on their way */
	memcpy(had, calls, sizeof(had));
	for (int n = 0; n < 1000 && (calls[0] == had[0] || calls[1] == had[1]); n++)
		t_sleep_ms(10);
	t_true("the first one expires", calls[0] > had[0]);
	t_true("the second one expires", calls[1] > had[1]);
	t_same("the stopped one", 0, calls[2]);
	settime(t[2], 1000000);
	for (int n = 0; n < 1000 && !calls[2]; n++)
		t_sleep_ms(10);
	t_true("the third one can be started", calls[2] > 0);
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * Signals that come while the process is frozen: from others, and from timers
 * that were about to expire.  None is lost and none comes twice.  With T_NOTIFY
 * in the environment it also waits for the signal of cr-restore --notify.
 */
#include <signal.h>
#include <sys/time.h>

#include "target.h"

static volatile sig_atomic_t got[65];
static volatile int code, value;

static void on_signal(int sig, siginfo_t *info, void *ctx)
{
	(void)ctx;
	got[sig]++;
	if (sig == SIGUSR2) {
		code = info->si_code;
		value = info->si_value.sival_int;
	}
}

int main(void)
{
	const int signals[] = { SIGUSR1, SIGUSR2, SIGALRM, SIGRTMIN, SIGRTMIN + 1 };
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerspec its = { { 0, 0 }, { 0, 400000000 } };
	struct itimerval it = { { 0, 0 }, { 0, 400000 } };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
	timer_t timer;

	t_init();
	sa.sa_sigaction = on_signal;
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		t_must(sigaction(signals[i], &sa, NULL));
	t_must(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	t_ready();
	t_must(timer_settime(timer, 0, &its, NULL));
	t_must(setitimer(ITIMER_REAL, &it, NULL));
	t_wait();
	for (int i = 0; i < 200 && (!got[SIGALRM] || !got[SIGRTMIN + 1]); i++)
		t_sleep_ms(10);
	t_sleep_ms(50);
	t_same("SIGUSR1", 1, (uint64_t)got[SIGUSR1]);
	t_same("SIGRTMIN", getenv("T_MANY") ? strtoul(getenv("T_MANY"), NULL, 10) : 2,
	       (uint64_t)got[SIGRTMIN]);
	t_same("ITIMER_REAL", 1, (uint64_t)got[SIGALRM]);
	t_same("the timer", 1, (uint64_t)got[SIGRTMIN + 1]);
	t_same("told of the restore", getenv("T_NOTIFY") != NULL, (uint64_t)got[SIGUSR2]);
	if (getenv("T_NOTIFY")) {
		t_same("code", (uint64_t)SI_QUEUE, (uint64_t)code);
		t_same("value", 0x6372, (uint64_t)value);
	}
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * signalfd: masks, flags, and that the signals which wait come out of it.
 */
#include <signal.h>
#include <sys/signalfd.h>

#include "target.h"

static int usr, rest;

static sigset_t set_of(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	sigaddset(&set, b);
	return set;
}

static void expect(const char *what, int fd, int signal, int value)
{
	struct signalfd_siginfo si = { 0 };

	if (read(fd, &si, sizeof(si)) != sizeof(si)) {
		t_differs("%s: %s", what, strerror(errno));
		return;
	}
	t_same(what, (uint64_t)signal, si.ssi_signo);
	t_same("its value", (uint64_t)value, (uint64_t)si.ssi_int);
}

int main(void)
{
	sigset_t set = set_of(SIGUSR1, SIGUSR2), other = set_of(SIGRTMIN + 3, SIGTERM);
	struct signalfd_siginfo si;

	t_init();
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &other, NULL);
	usr = t_must(signalfd(-1, &set, SFD_NONBLOCK));
	rest = t_must(signalfd(-1, &other, SFD_CLOEXEC));
	t_must(sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 22 }));
	t_must(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 1 }));
	t_must(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 2 }));
	t_ready();
	if (t_spoiled())
		expect("spoil", usr, SIGUSR2, 22);
	t_wait();
	t_same("flags", O_RDWR | O_NONBLOCK, (uint64_t)fcntl(usr, F_GETFL));
	t_same("close-on-exec", FD_CLOEXEC, (uint64_t)fcntl(rest, F_GETFD));
	expect("a signal from before", usr, SIGUSR2, 22);
	t_true("and no other", read(usr, &si, sizeof(si)) < 0 && errno == EAGAIN);
	expect("the first real-time signal", rest, SIGRTMIN + 3, 1);
	expect("the second", rest, SIGRTMIN + 3, 2);
	t_must(sigqueue(getpid(), SIGTERM, (union sigval){ .sival_int = 15 }));
	expect("a signal from now", rest, SIGTERM, 15);
	t_must(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 10 }));
	expect("another", usr, SIGUSR1, 10);
	return t_done();
}

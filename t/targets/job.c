/* SPDX-License-Identifier: MIT */
/*
 * The job of an interactive shell, for t/shell-job.t: two processes in one
 * group.  It says what it reads, ^C and SIGCONT, and ends at the end of its input.
 */
#include <poll.h>
#include <signal.h>

#include "target.h"

static volatile sig_atomic_t ints, conts;

static void on_signal(int sig)
{
	if (sig == SIGINT)
		ints++;
	else
		conts++;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	sigset_t blocked, none;
	int said_ints = 0, said_conts = 0;
	char line[256];
	pid_t other;
	ssize_t n;

	t_init();
	other = t_must(fork());
	if (other == 0) {
		signal(SIGINT, SIG_IGN);
		for (;;)
			pause();
	}
	/* They come while it waits, and at no other time. */
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGCONT);
	t_must(sigprocmask(SIG_SETMASK, &blocked, NULL));
	t_must(sigaction(SIGINT, &sa, NULL));
	t_must(sigaction(SIGCONT, &sa, NULL));
	printf("job %d is up\n", (int)getpid());
	fflush(stdout);
	for (;;) {
		n = ppoll(&in, 1, NULL, &none);
		if (n > 0)
			n = read(STDIN_FILENO, line, sizeof(line) - 1);
		/* One signal, one line. */
		while (said_ints < ints)
			printf("interrupt %d\n", ++said_ints);
		while (said_conts < conts)
			printf("continue %d\n", ++said_conts);
		if (n == 0)
			break;
		if (n > 0) {
			line[n] = '\0';
			line[strcspn(line, "\n")] = '\0';
			printf("heard %s from %s, group %s\n", line, ttyname(0),
			       tcgetpgrp(0) == getpgrp() ? "in front" : "behind");
		} else if (errno != EINTR) {
			t_fatal("poll, read");
		}
		fflush(stdout);
	}
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	printf("job ends\n");
	return 7;
}

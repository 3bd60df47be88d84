/* SPDX-License-Identifier: MIT */
/*
 * siggun PID SIGNAL PER_SECOND
 *
 * Send real-time signals to a process, each with the number of those before it
 * as its value, until SIGTERM; then print how many there were.  "RTMIN+N" in
 * SIGNAL is the C library's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "parse.h"

static volatile sig_atomic_t over;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

static int signal_number(const char *text)
{
	uint64_t n;

	if (strncmp(text, "RTMIN+", 6) == 0 && cr_parse_u64(text + 6, 10, 0, 30, &n) == 0)
		return SIGRTMIN + (int)n;
	return cr_parse_u64(text, 10, 1, 64, &n) == 0 ? (int)n : -1;
}

int main(int argc, char **argv)
{
	struct timespec pause = { 0, 0 };
	uint64_t rate;
	pid_t pid;
	int sig, n = 0;

	if (argc != 4 || cr_parse_pid(argv[1], &pid) < 0 || (sig = signal_number(argv[2])) < 0 ||
	    cr_parse_u64(argv[3], 10, 2, 1000000, &rate) < 0) {
		fprintf(stderr, "usage: siggun PID SIGNAL PER_SECOND\n");
		return 100;
	}
	pause.tv_nsec = (long)(1000000000 / rate);
	signal(SIGTERM, on_term);
	while (!over) {
		if (sigqueue(pid, sig, (union sigval){ .sival_int = n }) == 0)
			n++;
		else if (errno != EAGAIN)
			break;
		nanosleep(&pause, NULL);
	}
	printf("%d\n", n);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * pipeline [-k N:USEC[:SIGNAL]]... [-p PID:USEC]... [-f PID] [-t SECONDS] -s STATUS -e ERRORS COMMAND... ["|" COMMAND...]...
 *
 * Run commands as a shell would, the words "|" between them, the first with
 * nothing to read and the output of the last thrown away, and all error messages
 * in the file ERRORS.  -k kills the command of that number (the first is 0)
 * with SIGKILL, or another signal, so long after the start, -p another process;
 * with -f, so long after the process PID is seen to be traced.
 * The file STATUS gets one line: how many
 * microseconds it took, and the wait status of each command, -1 for one that was
 * still there after SECONDS (60) and was killed for that.
 *
 * The tests run hundreds of pipelines: perl takes longer to fork than those need.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "parse.h"
#include "trace.h"

#define MAX 32

struct command {
	char **argv;
	pid_t pid;
	int status;
};

struct kill_order {
	unsigned int which;
	pid_t pid;	/* 0: the command */
	int sig;
	uint64_t after_us;
};

static struct command commands[MAX];
static unsigned int n_commands;
static struct kill_order kills[MAX];
static unsigned int n_kills;

extern char **environ;

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "pipeline: %s: %s\n", what, strerror(errno));
	exit(111);
}

static uint64_t now_us(void)
{
	return cr_now_ns() / 1000;
}

/* WHO:USEC[:SIGNAL] */
static int add_kill(char *text, bool is_pid)
{
	char *after = strchr(text, ':'), *sig = after ? strchr(after + 1, ':') : NULL;
	uint64_t who, us, number = SIGKILL;

	if (!after || n_kills == MAX)
		return -1;
	*after++ = '\0';
	if (sig)
		*sig++ = '\0';
	if (cr_parse_u64(text, 10, 0, is_pid ? INT32_MAX : MAX - 1, &who) < 0 ||
	    cr_parse_u64(after, 10, 0, 3600000000, &us) < 0 ||
	    (sig && cr_parse_u64(sig, 10, 1, 64, &number) < 0))
		return -1;
	kills[n_kills++] = (struct kill_order){
		.which = is_pid ? 0 : (unsigned int)who,
		.pid = is_pid ? (pid_t)who : 0,
		.sig = (int)number,
		.after_us = us,
	};
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct kill_order *x = a, *y = b;

	return x->after_us < y->after_us ? -1 : x->after_us > y->after_us;
}

/* Cut the words into commands. */
static int split(char **words)
{
	while (*words) {
		if (n_commands == MAX)
			return -1;
		commands[n_commands++].argv = words;
		while (*words && strcmp(*words, "|") != 0)
			words++;
		if (*words)
			*words++ = NULL;
		if (!commands[n_commands - 1].argv[0])
			return -1;
	}
	return n_commands ? 0 : -1;
}

/* All descriptors of ours are close-on-exec. */
static void start(struct command *c, int in, int out, int err, const sigset_t *mask)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&fa, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&fa, err, STDERR_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, mask);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	errno = posix_spawnp(&c->pid, c->argv[0], &fa, &attr, c->argv, environ);
	if (errno) {
		dprintf(err, "pipeline: %s: %s\n", c->argv[0], strerror(errno));
		c->pid = 0;
		c->status = 127 << 8;
	}
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
}

static void start_all(int err, const sigset_t *mask)
{
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int p[2];

	if (in < 0)
		fail("/dev/null");
	for (unsigned int i = 0; i < n_commands; i++) {
		bool last = i + 1 == n_commands;

		if (!last && pipe2(p, O_CLOEXEC) < 0)
			fail("pipe");
		if (last && (p[1] = open("/dev/null", O_WRONLY | O_CLOEXEC)) < 0)
			fail("/dev/null");
		start(&commands[i], in, p[1], err, mask);
		close(in);
		close(p[1]);
		in = last ? -1 : p[0];
	}
}

static bool traced(const char *status)
{
	char text[4096], *at;
	FILE *f = fopen(status, "re");
	size_t n;

	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	at = strstr(text, "\nTracerPid:\t");
	return at && at[12] != '0';
}

/* Until @pid is traced, or @until; returns the time then. */
static uint64_t wait_for_tracer(uint64_t pid, uint64_t until)
{
	char status[64];

	snprintf(status, sizeof(status), "/proc/%llu/status", (unsigned long long)pid);
	while (!traced(status) && now_us() < until)
		usleep(1000);
	return now_us();
}

/* Nothing has been waited for, so the pids are still theirs. */
static void kill_some(uint64_t began)
{
	for (unsigned int i = 0; i < n_kills; i++) {
		uint64_t left, until = began + kills[i].after_us, now;

		while ((now = now_us()) < until) {
			left = until - now;
			nanosleep(&(struct timespec){ (time_t)(left / 1000000),
						      (long)(left % 1000000) * 1000 },
				  NULL);
		}
		if (kills[i].pid)
			kill(kills[i].pid, kills[i].sig);
		else if (kills[i].which < n_commands && commands[kills[i].which].pid)
			kill(commands[kills[i].which].pid, kills[i].sig);
	}
}

/* How many are still there. */
static unsigned int reap(void)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < n_commands; i++) {
		struct command *c = &commands[i];

		if (c->pid && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
			c->pid = 0;
		left += c->pid != 0;
	}
	return left;
}

static void wait_for_all(uint64_t until)
{
	struct timespec tick = { 0, 100000000 };
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	while (reap() && now_us() < until)
		sigtimedwait(&chld, NULL, &tick);
	for (unsigned int i = 0; i < n_commands; i++) {
		if (!commands[i].pid)
			continue;
		kill(commands[i].pid, SIGKILL);
		waitpid(commands[i].pid, NULL, 0);
		commands[i].status = -1;
	}
}

static void report(const char *file, uint64_t took)
{
	FILE *f = fopen(file, "we");

	if (!f)
		fail(file);
	fprintf(f, "%llu", (unsigned long long)took);
	for (unsigned int i = 0; i < n_commands; i++)
		fprintf(f, " %d", commands[i].status);
	fprintf(f, "\n");
	if (fclose(f))
		fail(file);
}

int main(int argc, char **argv)
{
	const char *status = NULL, *errors = NULL;
	uint64_t seconds = 60, frozen = 0, began;
	sigset_t chld, old;
	bool bad = false;
	int c, err;

	while ((c = getopt(argc, argv, "+k:p:f:t:s:e:")) != -1) {
		if (c == 'k' || c == 'p')
			bad |= add_kill(optarg, c == 'p') < 0;
		else if (c == 'f')
			bad |= cr_parse_u64(optarg, 10, 1, INT32_MAX, &frozen) < 0;
		else if (c == 't')
			bad |= cr_parse_u64(optarg, 10, 1, 3600, &seconds) < 0;
		else if (c == 's')
			status = optarg;
		else if (c == 'e')
			errors = optarg;
		else
			bad = true;
	}
	if (bad || !status || !errors || split(argv + optind) < 0) {
		fprintf(stderr,
			"usage: pipeline [-k N:USEC[:SIGNAL]]... [-p PID:USEC]... [-f PID] [-t SECONDS] "
			"-s STATUS -e ERRORS COMMAND... [\"|\" COMMAND...]...\n");
		return 100;
	}
	err = open(errors, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (err < 0)
		fail(errors);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	qsort(kills, n_kills, sizeof(kills[0]), by_time);
	began = now_us();
	start_all(err, &old);
	kill_some(frozen ? wait_for_tracer(frozen, began + seconds * 1000000) : began);
	wait_for_all(began + seconds * 1000000);
	report(status, now_us() - began);
	return 0;
}

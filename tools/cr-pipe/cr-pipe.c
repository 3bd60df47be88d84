/* SPDX-License-Identifier: MIT */
/*
 * cr-pipe: run programs as the pipeline that a shell would make of them.  A
 * shell forks for each; this one has them started without a copy of its page
 * tables, all at the same time, and has no more to do than to wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clean.h"
#include "err.h"
#include "msg.h"
#include "opt.h"

static const char *separator = "|";

static const struct cr_opt options[] = {
	{ 's', "separator", CR_OPT_STR, "WORD", "what stands between two commands (|)",
	  &separator },
	{ 0, NULL, 0, NULL, NULL, NULL },
};

static const struct cr_opt_spec spec = {
	.name = "cr-pipe",
	.operands = "CMD [ARG]... [WORD CMD [ARG]...]...",
	.purpose = "Run commands as a pipeline; exit as the last one does.",
	.opts = options,
	.min_operands = 1,
	.max_operands = -1,
};

/* Enough for dup2(2) and execve(2), and for a signal that kills. */
#define STACK 2048

struct command {
	char **argv;
	int in;
	int out;
	pid_t pid;
	int error;	/* why it could not be run */
	char stack[STACK] __attribute__((aligned(16)));
};

/* The commands of the line one after the other: NULL ends each. */
static unsigned int split(char **argv)
{
	unsigned int n = 1;

	for (char **p = argv; *p; p++) {
		if (strcmp(*p, separator) != 0)
			continue;
		if (p == argv || !p[-1] || !p[1])
			cr_opt_usage("a command is missing beside '%s' (see -h)", separator);
		*p = NULL;
		n++;
	}
	return n;
}

/*
 * In our memory, beside us and others like it: errno is that of all, and what
 * is written is the command's own.
 */
static int become(void *arg)
{
	struct command *c = arg;

	if ((c->in < 0 || dup2(c->in, STDIN_FILENO) >= 0) &&
	    (c->out < 0 || dup2(c->out, STDOUT_FILENO) >= 0))
		execve(c->argv[0], c->argv, environ);
	c->error = errno;
	_exit(CR_SYSTEM);
}

/* To look along PATH takes errno, and so its time. */
static int spawn(struct command *c)
{
	posix_spawn_file_actions_t fa;
	int ret = posix_spawn_file_actions_init(&fa);

	if (ret)
		return ret;
	if (c->in >= 0)
		ret = posix_spawn_file_actions_adddup2(&fa, c->in, STDIN_FILENO);
	if (ret == 0 && c->out >= 0)
		ret = posix_spawn_file_actions_adddup2(&fa, c->out, STDOUT_FILENO);
	if (ret == 0)
		ret = posix_spawnp(&c->pid, c->argv[0], &fa, NULL, c->argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	return ret;
}

static int start(struct command *c, struct cr_err *err)
{
	if (strchr(c->argv[0], '/'))
		c->pid = clone(become, c->stack + STACK, CLONE_VM | SIGCHLD, c);
	else
		errno = spawn(c);
	return c->pid > 0 ? 0 : cr_err_sys(err, "unable to run %s", c->argv[0]);
}

/* Those before one that cannot be started see that nobody reads from them. */
static int start_all(struct command *list, unsigned int n, struct cr_err *err)
{
	cr_auto_fd int in = -1;

	for (unsigned int i = 0; i < n; i++) {
		cr_auto_fd int out = -1;
		int ends[2] = { -1, -1 }, ret;

		if (i + 1 < n && pipe2(ends, O_CLOEXEC) < 0)
			return cr_err_sys(err, "unable to make a pipe");
		out = ends[1];
		list[i].in = in;
		list[i].out = out;
		ret = start(&list[i], err);
		cr_clean_fd(&in);
		in = ends[0];
		if (ret < 0)
			return -1;
	}
	return 0;
}

static int status_of(int how)
{
	if (WIFSIGNALED(how))
		cr_msg("the last command was killed by signal %d (%s)", WTERMSIG(how),
		       strsignal(WTERMSIG(how)));
	return WIFEXITED(how) ? WEXITSTATUS(how) : CR_SYSTEM;
}

/*
 * What was started is in our memory until it runs: nobody leaves before.
 * Returns the status of the last, or why another one did not run.
 */
static int wait_all(const struct command *list, unsigned int n)
{
	unsigned int left = 0;
	int status = 0, failed = 0, how;
	struct cr_err err;

	for (unsigned int i = 0; i < n; i++)
		left += list[i].pid > 0;
	while (left) {
		pid_t pid = wait(&how);
		unsigned int i = 0;

		if (pid < 0 && errno != EINTR)
			break;
		while (i < n && (pid < 0 || list[i].pid != pid))
			i++;
		if (i == n)
			continue;	/* one that was there before us */
		left--;
		if (list[i].error) {
			errno = list[i].error;
			cr_err_sys(&err, "unable to run %s", list[i].argv[0]);
			failed = cr_err_report(&err);
		} else if (i + 1 == n) {
			status = status_of(how);
		}
	}
	return failed ? failed : status;
}

int main(int argc, char **argv)
{
	char **line = argv + cr_opt_parse(&spec, argc, argv);
	unsigned int n = split(line);
	cr_auto_free struct command *list = calloc(n, sizeof(*list));
	struct cr_err err = { 0 };
	int ret = 0, status;

	if (!list) {
		cr_err_sys(&err, "out of memory");
		return cr_err_report(&err);
	}
	for (unsigned int i = 0; i < n; i++) {
		list[i].argv = line;
		while (*line++)
			;
	}
	signal(SIGCHLD, SIG_DFL);	/* ignored, there would be nobody to wait for */
	if (start_all(list, n, &err) < 0)
		ret = cr_err_report(&err);
	status = wait_all(list, n);
	return ret ? ret : status;
}

/* SPDX-License-Identifier: MIT */
/*
 * cr-pipe: run programs as the pipeline that a shell would make of them.  A
 * shell forks for each; this one has them started without a copy of its page
 * tables, and has no more to do than to wait.
 */
#include <errno.h>
#include <fcntl.h>
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

static int start(char **argv, int in, int out, pid_t *pid, struct cr_err *err)
{
	posix_spawn_file_actions_t fa;
	int ret = posix_spawn_file_actions_init(&fa);

	if (ret == 0) {
		ret = posix_spawn_file_actions_adddup2(&fa, in, STDIN_FILENO);
		if (ret == 0)
			ret = posix_spawn_file_actions_adddup2(&fa, out, STDOUT_FILENO);
		if (ret == 0)
			ret = posix_spawnp(pid, argv[0], &fa, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&fa);
	}
	if (ret == 0)
		return 0;
	errno = ret;
	return cr_err_sys(err, "unable to run %s", argv[0]);
}

/* Those before one that cannot be started see that nobody reads from them. */
static int start_all(char **argv, unsigned int n, pid_t *last, struct cr_err *err)
{
	cr_auto_fd int in = -1;

	for (unsigned int i = 0; i < n; i++) {
		cr_auto_fd int out = -1;
		int ends[2] = { -1, -1 };

		if (i + 1 < n && pipe2(ends, O_CLOEXEC) < 0)
			return cr_err_sys(err, "unable to make a pipe");
		out = ends[1];
		if (start(argv, in < 0 ? STDIN_FILENO : in, out < 0 ? STDOUT_FILENO : out, last,
			  err) < 0) {
			if (ends[0] >= 0)
				close(ends[0]);
			return -1;
		}
		cr_clean_fd(&in);
		in = ends[0];
		while (*argv++)
			;
	}
	return 0;
}

int main(int argc, char **argv)
{
	char **line = argv + cr_opt_parse(&spec, argc, argv);
	int status = 0, how;
	struct cr_err err;
	pid_t last, pid;

	signal(SIGCHLD, SIG_DFL);	/* ignored, there would be nobody to wait for */
	if (start_all(line, split(line), &last, &err) < 0) {
		last = -1;
		status = cr_err_report(&err);
	}
	while ((pid = wait(&how)) > 0 || errno == EINTR) {
		if (pid != last)
			continue;
		if (WIFSIGNALED(how))
			cr_msg("the last command was killed by signal %d (%s)", WTERMSIG(how),
			       strsignal(WTERMSIG(how)));
		status = WIFEXITED(how) ? WEXITSTATUS(how) : CR_SYSTEM;
	}
	return status;
}

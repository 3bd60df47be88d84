/* SPDX-License-Identifier: MIT */
/*
 * Start a program, save it to a directory, let it be killed, restore it as our
 * child, and wait for its end.
 *
 *     cc -o checkpoint-child checkpoint-child.c $(pkg-config --cflags --libs libcr)
 *     ./checkpoint-child DIR PROGRAM [ARG]...
 */
#include <checkpoint.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(void *ctx, const char *line)
{
	fprintf(stderr, "%s: %s\n", (const char *)ctx, line);
}

static pid_t start(char **argv)
{
	pid_t pid = fork();

	if (pid == 0) {
		/* A session of its own: the tree leans on nothing of ours. */
		setsid();
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	return pid;
}

int main(int argc, char **argv)
{
	struct cr_checkpoint_options save = { .size = sizeof(save),
					      .message = say,
					      .ctx = argv[0] };
	struct cr_restore_options again = { .size = sizeof(again), .message = say, .ctx = argv[0] };
	struct cr_err err;
	int status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: %s DIR PROGRAM [ARG]...\n", argv[0]);
		return 100;
	}
	pid = start(argv + 2);
	sleep(1);
	save.pid = pid;
	save.images_dir = again.images_dir = argv[1];
	if (cr_checkpoint(&save, &err) < 0) {
		fprintf(stderr, "not saved: %s\n", err.msg);
		return err.class;
	}
	waitpid(pid, &status, 0);	/* killed: its pid is free now */
	printf("saved\n");
	fflush(stdout);
	if (cr_restore(&again, &pid, &err) < 0) {
		fprintf(stderr, "not restored: %s\n", err.msg);
		return err.class;
	}
	printf("restored\n");
	fflush(stdout);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

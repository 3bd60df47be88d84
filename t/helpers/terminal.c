/* SPDX-License-Identifier: MIT */
/*
 * terminal KEYS SCREEN CMD [ARG]...
 *
 * Run CMD in a session of its own on a new terminal.  What others write into
 * the fifo KEYS is typed there; what appears is added to the file SCREEN.  Ends
 * with the status of CMD.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void fatal(const char *what)
{
	fprintf(stderr, "terminal: %s: %s\n", what, strerror(errno));
	exit(111);
}

static int checked(int ret, const char *what)
{
	if (ret < 0)
		fatal(what);
	return ret;
}

static void be_command(const char *slave, char **argv)
{
	int fd;

	setsid();
	fd = checked(open(slave, O_RDWR), slave);
	checked(ioctl(fd, TIOCSCTTY, 0), "TIOCSCTTY");
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	execvp(argv[0], argv);
	fatal(argv[0]);
}

/* Copy what is there; false: no more will come. */
static bool copy(int from, int to)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n > 0 && write(to, buf, (size_t)n) != n)
		fatal("write");
	return n > 0 || (n < 0 && errno == EINTR);
}

int main(int argc, char **argv)
{
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int master, screen, status;
	pid_t pid;

	if (argc < 4) {
		fputs("usage: terminal KEYS SCREEN CMD [ARG]...\n", stderr);
		return 100;
	}
	p[0].fd = checked(open(argv[1], O_RDWR | O_CLOEXEC), argv[1]);
	screen = checked(open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666), argv[2]);
	master = checked(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt");
	p[1].fd = master;
	if (grantpt(master) < 0 || unlockpt(master) < 0)
		fatal("pty");
	pid = checked(fork(), "fork");
	if (pid == 0)
		be_command(ptsname(master), argv + 3);
	for (bool open = true; open;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			fatal("poll");
		if (p[0].revents & POLLIN)
			copy(p[0].fd, master);
		/* All slaves are closed: EIO. */
		if (p[1].revents)
			open = copy(master, screen);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fatal("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

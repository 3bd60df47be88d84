/* SPDX-License-Identifier: MIT */
/*
 * pidfd: of the process itself, of a child, of a zombie, of one that is gone,
 * and one that parent and child share.
 */
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "target.h"

static int self_fd, child_fd, zombie_fd, gone_fd;

static int pidfd(pid_t pid, unsigned int flags)
{
	return t_must((int)syscall(SYS_pidfd_open, pid, flags));
}

static bool ended(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static long pid_of(int fd)
{
	char path[64], text[1024], *p;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	t_read(path, text, sizeof(text));
	p = strstr(text, "\nPid:");
	return p ? strtol(p + 5, NULL, 10) : 0;
}

static pid_t dead_child(void)
{
	pid_t pid = t_must(fork());
	siginfo_t info;

	if (pid == 0)
		_exit(3);
	t_must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	return pid;
}

int main(void)
{
	pid_t child, zombie, gone, self = getpid();

	t_init();
	self_fd = pidfd(self, 0);
	gone = dead_child();
	gone_fd = pidfd(gone, 0);
	waitpid(gone, NULL, 0);
	zombie = dead_child();
	zombie_fd = pidfd(zombie, O_NONBLOCK);
	child = t_must(fork());
	if (child == 0) {
		t_wait();
		t_same("the child: pidfd of its parent", (uint64_t)self, (uint64_t)pid_of(self_fd));
		t_true("which lives", !ended(self_fd));
		pause();
	}
	child_fd = pidfd(child, 0);
	t_ready();
	if (t_spoiled())
		dup2(self_fd, zombie_fd);
	t_wait();
	t_same("itself", (uint64_t)self, (uint64_t)pid_of(self_fd));
	t_same("a child", (uint64_t)child, (uint64_t)pid_of(child_fd));
	t_same("a zombie", (uint64_t)zombie, (uint64_t)pid_of(zombie_fd));
	t_same("flags", O_NONBLOCK, (uint64_t)fcntl(zombie_fd, F_GETFL) & O_NONBLOCK);
	t_same("one that is gone", (uint64_t)-1, (uint64_t)pid_of(gone_fd));
	t_true("which has ended", ended(gone_fd));
	t_true("the zombie has ended", ended(zombie_fd));
	t_true("the child lives", !ended(child_fd));
	t_must((int)syscall(SYS_pidfd_send_signal, child_fd, SIGKILL, NULL, 0));
	waitpid(child, NULL, 0);
	t_true("the child has ended", ended(child_fd));
	return t_done();
}

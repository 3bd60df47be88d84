/* SPDX-License-Identifier: MIT */
#include "peek-offset.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "outlive.h"

struct peek_offset {
	int fd;		/* whose offset is changed, -1: nobody's */
	int offset;	/* what it was */
	pid_t watcher;
	int pidfd;	/* our own, for the watcher */
};

static int put_back(const struct peek_offset *p)
{
	return setsockopt(p->fd, SOL_SOCKET, SO_PEEK_OFF, &p->offset, sizeof(p->offset));
}

static void watch(const struct peek_offset *p) __attribute__((noreturn));
static void watch(const struct peek_offset *p)
{
	struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };

	cr_outlive("cr-peek-watch");
	while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
		;
	if (__atomic_load_n(&p->fd, __ATOMIC_ACQUIRE) >= 0)
		put_back(p);
	_exit(0);
}

static int start(struct peek_offset **out, struct cr_err *err)
{
	struct peek_offset *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long pid;

	if (p == MAP_FAILED)
		return cr_err_sys(err, "unable to map shared memory");
	p->fd = -1;
	p->watcher = -1;
	*out = p;
	p->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (p->pidfd < 0)
		return cr_err_sys(err, "pidfd_open");
	/* The memory is shared: the child must not write there. */
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0ul);
	if (pid < 0)
		return cr_err_sys(err, "unable to fork a watcher");
	if (pid == 0)
		watch(p);
	p->watcher = (pid_t)pid;
	return 0;
}

int peek_begin(struct peek_offset **p, int fd, struct cr_err *err)
{
	int zero = 0, old = -1;
	socklen_t len = sizeof(old);

	if (!*p && start(p, err) < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &old, &len) < 0)
		return cr_err_sys(err, "SO_PEEK_OFF");
	(*p)->offset = old;
	__atomic_store_n(&(*p)->fd, fd, __ATOMIC_RELEASE);
	if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) < 0) {
		__atomic_store_n(&(*p)->fd, -1, __ATOMIC_RELEASE);
		return cr_err_sys(err, "SO_PEEK_OFF");
	}
	cr_fault("queue-peek");
	return 0;
}

int peek_done(struct peek_offset *p, struct cr_err *err)
{
	if (put_back(p) < 0)
		return cr_err_sys(err, "SO_PEEK_OFF");
	__atomic_store_n(&p->fd, -1, __ATOMIC_RELEASE);
	return 0;
}

void peek_end(struct peek_offset **out)
{
	struct peek_offset *p = *out;

	if (!p)
		return;
	if (p->watcher > 0) {
		kill(p->watcher, SIGKILL);
		while (waitpid(p->watcher, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (p->pidfd >= 0)
		close(p->pidfd);
	munmap(p, sizeof(*p));
	*out = NULL;
}

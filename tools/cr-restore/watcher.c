/* SPDX-License-Identifier: MIT */
#include "watcher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ghost-place.h"
#include "outlive.h"
#include "spare.h"
#include "trace.h"
#include "unix.h"

#define DEATH_MS 10000 /* in all: a disk may hold up who is in a call */

/* One that is killed in bind(2), or in open(2), still makes its file. */
static void await_deaths(const int *pidfds, unsigned int count)
{
	uint64_t until = cr_now_ns() + DEATH_MS * 1000000ull, now;

	for (unsigned int i = 0; i < count; i++) {
		struct pollfd pfd = { .fd = pidfds[i], .events = POLLIN };

		while (pfd.fd >= 0 && (now = cr_now_ns()) < until &&
		       poll(&pfd, 1, (int)((until - now) / 1000000) + 1) < 0 && errno == EINTR)
			;
		if (pfd.fd >= 0)
			close(pfd.fd);
	}
}

void kill_created(struct restore *r)
{
	int *pidfds = calloc(r->family.count + 1, sizeof(*pidfds));

	__atomic_store_n(&r->shared->failed, 1, __ATOMIC_RELEASE);
	/* Twice: a process may be making another one meanwhile; after the
	 * first round nobody is left who could. */
	for (int round = 0; round < 2; round++)
		for (unsigned int i = 0; i < r->family.count; i++) {
			uint32_t pid = slot_at(r, i)->pid;

			if (pid)
				kill((pid_t)pid, SIGKILL);
		}
	for (unsigned int i = 0; i < r->family.count; i++) {
		uint32_t pid = slot_at(r, i)->pid;

		if (pidfds)
			pidfds[i] = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
		/* Another one of us must not kill whoever has it next. */
		slot_at(r, i)->pid = 0;
	}
	/* Ours first: of those that we trace, no thread ends before. */
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	if (pidfds)
		await_deaths(pidfds, r->family.count);
	free(pidfds);
	unix_undo(r);
	place_undo(r);
}

static void watch(struct restore *r, int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	/* A call that fails says nothing about the other one. */
	while (poll(&pfd, 1, -1) != 1)
		usleep(1000);
	if (!__atomic_load_n(&r->shared->committed, __ATOMIC_ACQUIRE))
		kill_created(r);
	_exit(0);
}

int watcher_start(struct restore *r, pid_t *out, struct cr_err *err)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid;

	if (pidfd < 0)
		return cr_err_sys(err, "pidfd_open");
	pid = (pid_t)spare_clone(r, &args);
	if (pid < 0)
		return cr_err_sys(err, "unable to fork the watcher");
	if (pid == 0) {
		cr_outlive("cr-restore-watch");
		syscall(SYS_close_range, 0, pidfd - 1, 0);
		syscall(SYS_close_range, pidfd + 1, ~0u, 0);
		watch(r, pidfd);
	}
	close(pidfd);
	*out = pid;
	return 0;
}

void watcher_stop(pid_t pid)
{
	if (pid <= 0)
		return;
	/* It finds out by itself, when we end. */
	if (kill(pid, SIGKILL) < 0)
		return;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

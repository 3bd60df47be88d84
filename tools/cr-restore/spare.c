/* SPDX-License-Identifier: MIT */
#include "spare.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clean.h"

#define TRIES 1000

static pid_t highest_pid(void)
{
	cr_auto_file FILE *f = fopen("/proc/sys/kernel/pid_max", "re");
	int max;

	return f && fscanf(f, "%d", &max) == 1 && max > 2 ? max - 1 : 32767;
}

static bool of_image(const struct restore *r, pid_t pid)
{
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const Cr__Task *t = r->img.tasks[i].task;

		if (t->pid == (uint32_t)pid)
			return true;
		for (size_t n = 0; n < t->n_tids; n++)
			if (t->tids[n] == (uint32_t)pid)
				return true;
	}
	return false;
}

static long start(pid_t pid, int *pidfd)
{
	struct clone_args args = {
		.flags = pidfd ? CLONE_PIDFD : 0,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.set_tid = (uint64_t)(uintptr_t)&pid,
		.set_tid_size = 1,
	};
	pid_t parent = getpid();
	long got = syscall(SYS_clone3, &args, sizeof(args));

	if (got)
		return got;
	/* No longer than the one that started it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(0);
}

pid_t spare_start(struct restore *r, pid_t want, int *pidfd, struct cr_err *err)
{
	pid_t pid = want ? want : highest_pid();
	long got = -1;

	errno = EEXIST;
	for (int tries = 0; got < 0 && errno == EEXIST && tries < TRIES && pid > 1; tries++) {
		if (want || !of_image(r, pid))
			got = start(pid, pidfd);
		if (want)
			break;
		pid--;
	}
	return got < 0 ? (pid_t)cr_err_sys(err, "unable to start a process for a moment") :
			 (pid_t)got;
}

void spare_end(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

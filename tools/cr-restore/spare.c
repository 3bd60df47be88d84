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

#include "all-signals.h"
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
	unsigned int lo = 0, hi = r->n_ids;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (r->ids[mid] == (uint32_t)pid)
			return true;
		if (r->ids[mid] < (uint32_t)pid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* By a process or a thread; a group or a session is found when it is tried. */
static bool is_taken(pid_t pid)
{
	int saved = errno;
	bool taken = kill(pid, 0) == 0 || errno == EPERM;

	errno = saved;
	return taken;
}

long spare_clone(struct restore *r, struct clone_args *args)
{
	pid_t pid = highest_pid();
	long got = -1;

	args->set_tid = (uint64_t)(uintptr_t)&pid;
	args->set_tid_size = 1;
	errno = EEXIST;
	for (int tries = 0; got < 0 && errno == EEXIST && tries < TRIES && pid > 1; pid--) {
		if (of_image(r, pid) || is_taken(pid))
			continue;
		tries++;
		got = syscall(SYS_clone3, args, sizeof(*args));
	}
	return got;
}

static void wait_for_the_end(pid_t parent) __attribute__((noreturn));
static void wait_for_the_end(pid_t parent)
{
	/* No longer than the one that started it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(0);
}

pid_t spare_start(struct restore *r, pid_t want, int *pidfd, struct cr_err *err)
{
	struct clone_args args = {
		.flags = pidfd ? CLONE_PIDFD : 0,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.set_tid = (uint64_t)(uintptr_t)&want,
		.set_tid_size = 1,
	};
	pid_t parent = getpid();
	long got = want ? syscall(SYS_clone3, &args, sizeof(args)) : spare_clone(r, &args);

	if (got == 0)
		wait_for_the_end(parent);
	return got < 0 ? (pid_t)cr_err_sys(err, "unable to start a process for a moment") :
			 (pid_t)got;
}

int spare_run(struct restore *r, int (*fn)(void *arg), void *arg, struct cr_err *err)
{
	struct clone_args args = { .flags = CLONE_FILES };
	long pid = spare_clone(r, &args);
	int status;

	if (pid == 0) {
		cr_all_signals(SIG_BLOCK);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setsid();
		_exit(fn(arg));
	}
	if (pid < 0)
		return cr_err_sys(err, "unable to start a process for a moment");
	while (waitpid((pid_t)pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return cr_err_sys(err, "waitpid");
	if (!WIFEXITED(status))
		return cr_err_set(err, CR_SYSTEM, "a process for a moment was killed");
	return WEXITSTATUS(status);
}

int spare_kill(pid_t pid, struct cr_err *err)
{
	siginfo_t info;

	if (kill(pid, SIGKILL) < 0)
		return cr_err_sys(err, "unable to end a process of ours");
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | __WALL) < 0 && errno == EINTR)
		;
	return 0;
}

void spare_end(pid_t pid)
{
	if (kill(pid, SIGKILL) < 0)
		return;
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

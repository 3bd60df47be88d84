/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch.h"
#include "clean.h"

#define TRIES 500
#define RETRY_US 2000

struct place {
	pid_t pid;
	uint64_t start;	/* of the agent; 0: all is over */
	uint64_t length;
};

static pid_t watcher;

/* Returns whether to try again: the dead one may still be attached. */
static bool rescue(const struct place *at)
{
	struct cr_tracee t;
	struct cr_err err;
	struct user_regs_struct regs;

	if (cr_tracee_seize(&t, at->pid, at->pid, &err) < 0)
		return err.class == CR_REFUSED;
	if (cr_tracee_wait_stop(&t, UINT64_MAX, &err) || cr_tracee_save(&t, &err) < 0)
		return false;
	regs = t.regs;
	if (cr_arch_instruction_pointer(&regs) - at->start < at->length &&
	    cr_arch_restart(&regs) != CR_RESTART_NONE) {
		/* The agent sees that its owner has died, and leaves. */
		cr_arch_set_result(&regs, -EINTR);
		if (cr_tracee_set_regs(&t, &regs, &err) < 0)
			return false;
	}
	cr_tracee_detach(&t);
	return false;
}

static void watch(int fd)
{
	struct place at = { 0 }, next;

	/* A terminal sends them to all of us. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while (read(fd, &next, sizeof(next)) == sizeof(next)) {
		if (!next.start)
			return;
		at = next;
	}
	for (int i = 0; at.start && i < TRIES && rescue(&at); i++)
		usleep(RETRY_US);
}

int watch_begin(int *fd, struct cr_err *err)
{
	int ends[2];

	if (pipe(ends) < 0)
		return cr_err_sys(err, "unable to make a pipe");
	watcher = fork();
	if (watcher == 0) {
		close(ends[1]);
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		watch(ends[0]);
		_exit(0);
	}
	close(ends[0]);
	*fd = ends[1];
	return watcher < 0 ? cr_err_sys(err, "unable to fork") : 0;
}

static int tell(int fd, const struct place *at, struct cr_err *err)
{
	if (write(fd, at, sizeof(*at)) != sizeof(*at))
		return cr_err_sys(err, "unable to write to the watcher");
	return 0;
}

int watch_agent(int fd, const struct cr_process *p, struct cr_err *err)
{
	const struct place at = {
		.pid = p->pid,
		.start = cr_agent_address(p->agent),
		.length = cr_agent_length(),
	};

	return tell(fd, &at, err);
}

void watch_end(int fd)
{
	const struct place over = { 0 };
	struct cr_err ignored;

	if (tell(fd, &over, &ignored) < 0)
		kill(watcher, SIGKILL);
	while (waitpid(watcher, NULL, 0) < 0 && errno == EINTR)
		;
}

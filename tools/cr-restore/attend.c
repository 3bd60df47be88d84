/* SPDX-License-Identifier: MIT */
#include "attend.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "proc.h"

#define LOOKS 1000	/* milliseconds, of which a busy machine may take many */

static pid_t restored_root;

/* What the terminal sends comes to all of its foreground group. */
static void forward(int sig, siginfo_t *info, void *ctx)
{
	(void)ctx;
	if (info->si_code != SI_KERNEL || getpgid(restored_root) != getpgrp())
		kill(restored_root, sig);
}

/* Bring group @to in front of our terminal if @from is there now. */
static void foreground(pid_t from, pid_t to)
{
	cr_auto_fd int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	void (*old)(int);

	if (fd < 0 || tcgetpgrp(fd) != from)
		return;
	old = signal(SIGTTOU, SIG_IGN);
	tcsetpgrp(fd, to);
	signal(SIGTTOU, old);
}

/*
 * Is it, or about to be?  One that its tracer has let go a moment ago is told
 * of as stopped while it is still on its way from one stop to the other.
 */
static bool is_stopped(pid_t pid)
{
	static const struct timespec tick = { 0, 1000000 };
	struct cr_proc_stat st = { .state = 'T' };
	struct cr_err ignored;

	for (int i = 0; i < LOOKS; i++) {
		if (cr_proc_stat(pid, &st, &ignored) < 0 || st.state == 'T')
			break;
		nanosleep(&tick, NULL);
	}
	return st.state == 'T';
}

/* For the shell we are the job: it sees us stop, and lets us go on. */
static void stop_with(pid_t root, pid_t group)
{
	/* In a group of ours it has got the same signal. */
	if (!is_stopped(root))
		return;
	foreground(group, getpgrp());
	raise(SIGSTOP);
	if (group == getpgrp())
		return;
	foreground(getpgrp(), group);
	kill(-group, SIGCONT);
}

void attend_forward(pid_t root)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
	struct sigaction sa = { .sa_sigaction = forward, .sa_flags = SA_RESTART | SA_SIGINFO };

	restored_root = root;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}

int attend_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int attend(const struct restore *r, pid_t root)
{
	int stopped = r->opts.shell_job ? WUNTRACED : 0, status;
	pid_t group = getpgid(root);

	attend_forward(root);
	for (;;) {
		if (waitpid(root, &status, stopped) == root) {
			if (!WIFSTOPPED(status))
				break;
			group = getpgid(root);
			stop_with(root, group);
		} else if (errno != EINTR) {
			return CR_SYSTEM;
		}
	}
	if (r->opts.shell_job)
		foreground(group, getpgrp());
	return attend_status(status);
}

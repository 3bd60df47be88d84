/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clean.h"
#include "msg.h"
#include "outlive.h"
#include "proc.h"
#include "script.h"

#define TICK_MS 4

/* What the watcher knows. */
struct lock {
	pid_t root;
	pid_t eye;		/* a thread of it that lives */
	bool was_stopped;
	int pidfd;		/* the root's */
	pid_t watcher;
};

static bool ended(const struct lock *l)
{
	struct pollfd pfd = { .fd = l->pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

/* Is it frozen still?  If not: *stopped. */
static bool frozen(const struct lock *l, bool *stopped)
{
	cr_auto_free char *status = NULL;
	struct cr_err ignored;
	const char *tracer, *state;

	*stopped = false;
	if (cr_proc_read(l->eye, "status", &status, NULL, &ignored) < 0)
		return false;
	tracer = cr_proc_field(status, "TracerPid");
	state = cr_proc_field(status, "State");
	*stopped = state && *state == 'T';
	return tracer && strtol(tracer, NULL, 10) != 0;
}

static void unlock(const struct net *n, pid_t root)
{
	struct cr_err err;

	for (unsigned int i = 0; i < n->opts.scripts.count; i++)
		if (cr_script_run(n->opts.scripts.items[i], n->opts.dir, "network-unlock", root,
				  &err) < 0)
			cr_msg("%s", err.msg);
}

static void watch(const struct net *n, const struct lock *l) __attribute__((noreturn));
static void watch(const struct net *n, const struct lock *l)
{
	bool stopped;

	cr_outlive("cr-dump-net-lock");
	/* Whose ends the other stages wait for (5.9). */
	syscall(SYS_close_range, 0, STDERR_FILENO - 1, 0);
	syscall(SYS_close_range, STDERR_FILENO + 1, l->pidfd - 1, 0);
	syscall(SYS_close_range, l->pidfd + 1, ~0u, 0);
	while (frozen(l, &stopped) && !ended(l))
		poll(NULL, 0, TICK_MS);
	if (!ended(l) && (!stopped || l->was_stopped))
		unlock(n, l->root);
	_exit(0);
}

static int start(struct net *n, const Cr__Task *root, struct cr_err *err)
{
	struct lock *l = net_alloc(n, sizeof(*l), err);

	if (!l)
		return -1;
	l->root = (pid_t)root->pid;
	l->eye = root->n_tids ? (pid_t)root->tids[0] : l->root;
	l->was_stopped = root->state == CR__TASK_STATE__STOPPED;
	l->pidfd = cr_proc_pidfd(l->root, err);
	if (l->pidfd < 0)
		return -1;
	l->watcher = fork();
	if (l->watcher == 0)
		watch(n, l);
	if (l->watcher < 0)
		return cr_err_sys(err, "unable to fork a watcher");
	n->lock = l;
	return 0;
}

int lock_begin(struct net *n, const Cr__Task *root, struct cr_err *err)
{
	if (n->lock || !n->opts.scripts.count)
		return 0;
	if (start(n, root, err) < 0)
		return -1;
	for (unsigned int i = 0; i < n->opts.scripts.count; i++)
		if (cr_script_run(n->opts.scripts.items[i], n->opts.dir, "network-lock",
				  n->lock->root, err) < 0)
			return -1;
	return 0;
}

void lock_end(struct net *n)
{
	if (!n->lock)
		return;
	/* The freeze ends when nobody reads what the stages before this one write. */
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	while (waitpid(n->lock->watcher, NULL, 0) < 0 && errno == EINTR)
		;
}

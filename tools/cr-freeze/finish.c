/* SPDX-License-Identifier: MIT */
#include "finish.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "inject.h"
#include "msg.h"

/*
 * Nobody can wait for a thread before its tracer has.  One that was let go
 * already is none of ours, and gives ECHILD.
 */
static void collect(struct cr_process *p)
{
	int status;

	for (unsigned int k = p->n_threads; k-- > 0;) {
		pid_t got;

		do
			got = waitpid(p->threads[k].tid, &status, __WALL);
		while ((got < 0 && errno == EINTR) || (got > 0 && WIFSTOPPED(status)));
		p->threads[k].state = CR_TRACEE_GONE;
	}
}

static void run_reaping(struct cr_process *p, struct cr_op *ops, uint32_t n)
{
	struct cr_err err;
	uint32_t done;

	if (cr_agent_inject(p, &err) < 0 ||
	    cr_agent_run(p->agent, ops, n, NULL, 0, &done, &err) < 0)
		cr_debug("pid %d cannot reap its children: %s", (int)p->pid, err.msg);
}

/*
 * The parent, which is frozen and about to go too, reaps its dead children, so
 * that their pids are free at once and do not wait for init.  It may have none
 * to reap: one that ignores SIGCHLD has none.
 */
static void reap_children(const struct cr_tree *tree, unsigned int index)
{
	struct cr_process *p = tree->procs[index];
	struct cr_op ops[CR_AGENT_OPS];
	uint32_t n = 0;

	for (unsigned int i = index + 1; i < tree->count; i++) {
		if (tree->procs[i]->parent != p->pid)
			continue;
		if (n == CR_AGENT_OPS) {
			run_reaping(p, ops, n);
			n = 0;
		}
		ops[n++] = (struct cr_op){
			.type = CR_OP_SYSCALL,
			.expect = CR_EXPECT_ANY,
			.nr = SYS_wait4,
			.arg = { tree->procs[i]->pid, 0, __WALL | WNOHANG, 0 },
		};
	}
	if (n)
		run_reaping(p, ops, n);
}

/* From here on a tree that is killed in part would be worse than none: if we
 * die, the kernel kills the rest. */
static void die_together(struct cr_tree *tree)
{
	struct cr_err err;

	for (unsigned int i = 0; i < tree->count; i++)
		for (unsigned int k = 0; k < tree->procs[i]->n_threads; k++)
			if (cr_tracee_exitkill(&tree->procs[i]->threads[k], true, &err) < 0)
				cr_debug("%s", err.msg);
	cr_fault("doomed");
}

static void kill_tree(struct cr_tree *tree)
{
	die_together(tree);
	/* Children stand after their parents: from the leaves to the root. */
	for (unsigned int i = tree->count; i-- > 0;) {
		struct cr_process *p = tree->procs[i];

		if (p->zombie)
			continue;
		reap_children(tree, i);
		if (kill(p->pid, SIGKILL) < 0)
			cr_msg("pid %d: unable to kill it: %s", (int)p->pid, strerror(errno));
		collect(p);
		if (p->agent)
			cr_agent_evict(p->agent);
		cr_fault("killed");
	}
	tree->ended_ns = cr_now_ns();
}

void finish_tree(struct cr_tree *tree, enum finish how)
{
	switch (how) {
	case FINISH_KILL:
		kill_tree(tree);
		return;
	case FINISH_STOP:
		cr_tree_thaw_stopped(tree);
		return;
	default:
		cr_tree_thaw(tree);
	}
}

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

/* The tracer must take its own notice of each thread before the parent can. */
static void collect(struct cr_process *p)
{
	int status;

	for (unsigned int k = p->n_threads; k-- > 0;) {
		struct cr_tracee *t = &p->threads[k];

		if (t->state == CR_TRACEE_GONE)
			continue;
		while (waitpid(t->tid, &status, __WALL) >= 0 && WIFSTOPPED(status))
			;
		t->state = CR_TRACEE_GONE;
	}
}

/*
 * The parent, which is frozen and about to go too, reaps its dead child, so
 * that the pid is free at once and does not wait for init.  It may have no
 * child to reap: one that ignores SIGCHLD has none.
 */
static void reap_in_parent(struct cr_tree *tree, pid_t parent, pid_t child)
{
	struct cr_process *p = cr_tree_find(tree, parent);
	struct cr_op op = { .type = CR_OP_SYSCALL,
			    .expect = CR_EXPECT_ANY,
			    .nr = SYS_wait4,
			    .arg = { child, 0, __WALL, 0 } };
	struct cr_err err;
	uint32_t done;

	if (!p || !p->n_threads)
		return;
	if (cr_agent_inject(p, &err) < 0 ||
	    cr_agent_run(p->agent, &op, 1, NULL, 0, &done, &err) < 0)
		cr_debug("pid %d cannot reap %d: %s", (int)parent, (int)child, err.msg);
}

static void kill_tree(struct cr_tree *tree)
{
	/* Children stand after their parents: from the leaves to the root. */
	for (unsigned int i = tree->count; i-- > 0;) {
		struct cr_process *p = tree->procs[i];

		if (!p->zombie) {
			if (kill(p->pid, SIGKILL) < 0)
				cr_msg("pid %d: unable to kill it: %s", (int)p->pid,
				       strerror(errno));
			collect(p);
			if (p->agent)
				cr_agent_evict(p->agent);
		}
		cr_fault("killed");
		if (p->parent)
			reap_in_parent(tree, p->parent, p->pid);
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
		for (unsigned int i = 0; i < tree->count; i++)
			if (!tree->procs[i]->zombie)
				kill(tree->procs[i]->pid, SIGSTOP);
		cr_tree_thaw(tree);
		return;
	default:
		cr_tree_thaw(tree);
	}
}

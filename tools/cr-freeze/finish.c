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

	for (unsigned int k = p->n_threads + p->n_workers; k-- > 0;) {
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

/* What a process takes to end then is no time that it is held for. */
static void kill_process(struct cr_tree *tree, const struct cr_process *p)
{
	if (kill(p->pid, SIGKILL) < 0)
		cr_msg("pid %d: unable to kill it: %s", (int)p->pid, strerror(errno));
	tree->ended_ns = cr_now_ns();
	cr_fault("killed");
}

struct place {
	pid_t pid;
	unsigned int index;
};

static int by_pid(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Which processes have children in the tree; all of them when in doubt. */
static bool *find_parents(const struct cr_tree *tree)
{
	struct place *places = calloc(tree->count, sizeof(*places)), *at;
	bool *parents = calloc(tree->count, sizeof(*parents));

	for (unsigned int i = 0; places && i < tree->count; i++)
		places[i] = (struct place){ tree->procs[i]->pid, i };
	if (places)
		qsort(places, tree->count, sizeof(*places), by_pid);
	for (unsigned int i = 1; parents && i < tree->count; i++) {
		struct place key = { .pid = tree->procs[i]->parent };

		at = places ? bsearch(&key, places, tree->count, sizeof(*places), by_pid) : NULL;
		parents[at ? at->index : 0] = true;
	}
	free(places);
	return parents;
}

/*
 * From the leaves to the root; children stand after their parents.  To end is
 * work, for a memory of any size: all leaves do it at the same time.
 */
static void kill_tree(struct cr_tree *tree, void (*killed)(void *), void *ctx)
{
	bool *parents = find_parents(tree);

	die_together(tree);
	for (unsigned int i = tree->count; parents && i-- > 0;)
		if (!parents[i] && !tree->procs[i]->zombie)
			kill_process(tree, tree->procs[i]);
	killed(ctx);
	for (unsigned int i = tree->count; i-- > 0;) {
		struct cr_process *p = tree->procs[i];

		if (p->zombie)
			continue;
		if (!parents || parents[i]) {
			reap_children(tree, i);
			kill_process(tree, p);
		}
		collect(p);
		if (p->agent)
			cr_agent_evict(p->agent);
	}
	free(parents);
}

void finish_tree(struct cr_tree *tree, enum finish how, void (*killed)(void *), void *ctx)
{
	switch (how) {
	case FINISH_KILL:
		kill_tree(tree, killed, ctx);
		return;
	case FINISH_STOP:
		cr_tree_thaw_stopped(tree);
		return;
	default:
		cr_tree_thaw(tree);
	}
}

/* SPDX-License-Identifier: MIT */
/* A tree that has been frozen: zombies, order, parents that have changed. */
#include "tree-freeze.h"

#include <stdlib.h>
#include <string.h>

#include "proc.h"

/* The leader may have a higher number than its threads. */
static void leader_first(struct cr_process *p)
{
	for (unsigned int k = 1; k < p->n_threads; k++)
		if (p->threads[k].tid == p->pid) {
			struct cr_tracee leader = p->threads[k];

			memmove(p->threads + 1, p->threads, k * sizeof(leader));
			p->threads[0] = leader;
			return;
		}
}

int tree_drop_reaped(struct cr_tree *t, struct cr_err *err)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < t->count; i++) {
		struct cr_process *p = t->procs[i];
		struct cr_proc_stat st;

		leader_first(p);
		if (!p->n_threads) {
			if (cr_proc_stat(p->pid, &st, err) < 0 || st.state != 'Z') {
				tree_free_process(p);
				continue;
			}
			p->zombie = true;
		}
		t->procs[kept++] = p;
	}
	t->count = kept;
	return 0;
}

static void let_go(struct cr_process *p)
{
	for (unsigned int k = 0; k < p->n_threads; k++)
		cr_tracee_detach(&p->threads[k]);
	tree_free_process(p);
}

/* The parent that a process has now, when the one it was found with has ended. */
static int find_parent(const struct cr_tree *t, struct cr_process *p, bool *moved,
		       struct cr_err *err)
{
	const struct cr_process *parent = cr_tree_find(t, p->parent);
	struct cr_proc_stat st;

	if (parent && !parent->zombie)
		return 0;
	if (cr_proc_stat(p->pid, &st, err) < 0)
		return -1;
	p->parent = (pid_t)st.field[CR_STAT_PPID];
	*moved = true;
	return 0;
}

/*
 * In the order of their parents, from the root.  Who has got a parent outside
 * of the tree does not belong to it any more, nor do its children.
 */
static int reorder(struct cr_tree *t, struct cr_err *err)
{
	struct cr_process **list = calloc(t->count, sizeof(*list));
	unsigned int n = 1;

	if (!list)
		return cr_err_sys(err, "out of memory");
	list[0] = t->procs[0];
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 1; k < t->count; k++)
			if (t->procs[k] && t->procs[k]->parent == list[i]->pid) {
				list[n++] = t->procs[k];
				t->procs[k] = NULL;
			}
	for (unsigned int k = 1; k < t->count; k++)
		if (t->procs[k])
			let_go(t->procs[k]);
	free(t->procs);
	t->procs = list;
	t->count = n;
	return 0;
}

int tree_settle_parents(struct cr_tree *t, struct cr_err *err)
{
	bool moved = false;

	for (unsigned int i = 1; i < t->count; i++)
		if (find_parent(t, t->procs[i], &moved, err) < 0)
			return -1;
	return moved ? reorder(t, err) : 0;
}

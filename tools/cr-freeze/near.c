/* SPDX-License-Identifier: MIT */
#include "near.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "clean.h"
#include "list.h"
#include "proc.h"

#define MAX_DEPTH 64
#define MAX_THREADS 64
#define MAX_NEW 64

static int add(struct near *n, pid_t pid, struct cr_err *err)
{
	if (cr_list_room(n->list, n->count, err) < 0)
		return -1;
	n->list[n->count++] = pid;
	return 0;
}

static int find(struct near *n, struct cr_err *err)
{
	struct cr_proc_stat st;
	struct cr_err ignored;

	n->count = 0;
	if (cr_proc_stat(n->root, &st, err) < 0)
		return -1;
	for (unsigned int i = 0; i < MAX_DEPTH; i++) {
		cr_auto_free pid_t *kids = NULL;
		pid_t pid = (pid_t)st.field[CR_STAT_PPID];
		unsigned int count = 0;

		/* In another pid namespace: nobody whom we could name. */
		if (pid <= 0 || cr_proc_stat(pid, &st, &ignored) < 0)
			return 0;
		/* That of a parent with very many threads takes long to read. */
		if ((i == 0 || st.field[CR_STAT_THREADS] <= MAX_THREADS) &&
		    cr_proc_children(pid, &kids, &count, &ignored) < 0)
			count = 0;
		if (add(n, pid, err) < 0)
			return -1;
		for (unsigned int k = 0; k < count; k++)
			if (add(n, kids[k], err) < 0)
				return -1;
	}
	return 0;
}

/* Of our pid namespace, where whoever is made in one below it has a pid, too. */
static long newest(void)
{
	cr_auto_free char *text = NULL;
	struct cr_err ignored;

	if (cr_proc_read(getpid(), "../sys/kernel/ns_last_pid", &text, NULL, &ignored) < 0)
		return -1;
	return strtol(text, NULL, 10);
}

void near_sample(struct near *n, pid_t root)
{
	cr_auto_free pid_t *kids = NULL;
	unsigned int count = 0;
	struct cr_err ignored;

	*n = (struct near){ .root = root, .newest = newest() };
	n->childless = cr_proc_children(root, &kids, &count, &ignored) == 0 && !count;
	if (find(n, &ignored) < 0)
		n->newest = -1;
}

void near_update(struct near *n)
{
	if (n->childless)
		return;
	near_release(n);
	near_sample(n, n->root);
}

static bool in_tree(const struct cr_tree *tree, pid_t id)
{
	for (unsigned int i = 0; i < tree->count; i++) {
		const struct cr_process *p = tree->procs[i];

		if (p->pid == id)
			return true;
		for (unsigned int k = 0; k < p->n_threads; k++)
			if (p->threads[k].tid == id)
				return true;
	}
	return false;
}

int near_renew(struct near *n, const struct cr_tree *tree, struct cr_err *err)
{
	long now = newest(), since = n->newest;

	/* Often it was the pipeline itself that took ids since. */
	if (now < 0 || since < 0 || now < since || now - since > MAX_NEW)
		return find(n, err);
	while (since++ < now)
		if (!in_tree(tree, (pid_t)since) && add(n, (pid_t)since, err) < 0)
			return -1;
	return 0;
}

void near_release(struct near *n)
{
	free(n->list);
	n->list = NULL;
}

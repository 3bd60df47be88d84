/* SPDX-License-Identifier: MIT */
#include "share.h"

#include <linux/kcmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "near.h"

/* Processes in the order of kcmp(2); the first of those with the same is in. */
struct order {
	int type;
	size_t field;	/* of struct share */
	const char *what;
	const struct cr_process **list;
	unsigned int count;
};

static int place(struct order *o, const struct cr_process *p, pid_t *same, struct cr_err *err)
{
	unsigned int lo = 0, hi = o->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		long r = syscall(SYS_kcmp, cr_process_eye(p), cr_process_eye(o->list[mid]), o->type,
				 0, 0);

		if (r < 0)
			return cr_err_sys(err, "kcmp of %d and %d", (int)p->pid,
					  (int)o->list[mid]->pid);
		if (r == 0) {
			*same = o->list[mid]->pid;
			return 0;
		}
		if (r == 2)
			lo = mid + 1;
		else
			hi = mid;
	}
	memmove(o->list + lo + 1, o->list + lo, (o->count - lo) * sizeof(*o->list));
	o->list[lo] = p;
	o->count++;
	return 0;
}

static bool in_tree(const struct cr_tree *tree, pid_t pid)
{
	/* Of its ancestors' children the root only is. */
	return pid == tree->procs[0]->pid;
}

static void look_outside(const struct order *o, const struct cr_tree *tree, const struct near *near,
			 struct share *list)
{
	for (unsigned int i = 0; i < near->count; i++) {
		unsigned int lo = 0, hi = o->count;

		while (lo < hi && !in_tree(tree, near->list[i])) {
			unsigned int mid = (lo + hi) / 2;
			const struct cr_process *p = o->list[mid];
			long r = syscall(SYS_kcmp, near->list[i], cr_process_eye(p), o->type, 0, 0);

			if (r < 0)
				break;	/* it has ended, or is not ours to look at */
			if (r == 0) {
				for (unsigned int k = 0; k < tree->count; k++)
					if (tree->procs[k] == p) {
						list[k].outside = near->list[i];
						list[k].what = o->what;
					}
				break;
			}
			if (r == 2)
				lo = mid + 1;
			else
				hi = mid;
		}
	}
}

static bool same_memory(const struct cr_tree *tree, const struct share *list, unsigned int a,
			unsigned int b)
{
	return list[a].vm == tree->procs[b]->pid || list[a].vm == list[b].vm;
}

/* Whoever shares handlers shares memory, too. */
static void find_mates(const struct cr_tree *tree, struct share *list)
{
	for (unsigned int i = 0; i < tree->count; i++) {
		struct cr_process *p = tree->procs[i];

		for (unsigned int k = 0; list[i].vm && k < i; k++) {
			struct cr_process *q = tree->procs[k];

			if (!same_memory(tree, list, i, k))
				continue;
			if (list[i].vm == q->pid)
				p->vm_owner = q;
			if (!list[i].sighand && syscall(SYS_kcmp, cr_process_eye(p),
							cr_process_eye(q), KCMP_SIGHAND, 0, 0) == 0)
				list[i].sighand = q->pid;
		}
	}
}

struct share *share_find(const struct cr_tree *tree, struct near *near, struct cr_err *err)
{
	struct order orders[] = {
		{ .type = KCMP_VM, .field = offsetof(struct share, vm), .what = "memory" },
		{ .type = KCMP_FILES,
		  .field = offsetof(struct share, files),
		  .what = "descriptor table" },
		{ .type = KCMP_FS,
		  .field = offsetof(struct share, fs),
		  .what = "working directory" },
	};
	struct share *list = calloc(tree->count, sizeof(*list));
	int ret = list ? near_renew(near, tree, err) : cr_err_sys(err, "out of memory");

	for (size_t k = 0; ret == 0 && k < sizeof(orders) / sizeof(orders[0]); k++) {
		orders[k].list = calloc(tree->count + 1, sizeof(*orders[k].list));
		if (!orders[k].list)
			ret = cr_err_sys(err, "out of memory");
		for (unsigned int i = 0; ret == 0 && i < tree->count; i++)
			if (!tree->procs[i]->zombie)
				ret = place(&orders[k], tree->procs[i],
					    (pid_t *)((char *)&list[i] + orders[k].field), err);
		if (ret == 0)
			look_outside(&orders[k], tree, near, list);
		free(orders[k].list);
	}
	if (ret == 0)
		find_mates(tree, list);
	if (ret < 0) {
		free(list);
		list = NULL;
	}
	return list;
}

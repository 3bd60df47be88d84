/* SPDX-License-Identifier: MIT */
#include "share.h"

#include <linux/kcmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"

/* Processes in the order of kcmp(2); the first of those with the same is in. */
struct order {
	int type;
	size_t field;	/* of struct share */
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

struct share *share_find(const struct cr_tree *tree, struct cr_err *err)
{
	struct order orders[] = {
		{ .type = KCMP_VM, .field = offsetof(struct share, vm) },
		{ .type = KCMP_FILES, .field = offsetof(struct share, files) },
		{ .type = KCMP_FS, .field = offsetof(struct share, fs) },
	};
	struct share *list = calloc(tree->count, sizeof(*list));
	int ret = list ? 0 : cr_err_sys(err, "out of memory");

	for (size_t k = 0; ret == 0 && k < sizeof(orders) / sizeof(orders[0]); k++) {
		orders[k].list = calloc(tree->count + 1, sizeof(*orders[k].list));
		if (!orders[k].list)
			ret = cr_err_sys(err, "out of memory");
		for (unsigned int i = 0; ret == 0 && i < tree->count; i++)
			if (!tree->procs[i]->zombie)
				ret = place(&orders[k], tree->procs[i],
					    (pid_t *)((char *)&list[i] + orders[k].field), err);
		free(orders[k].list);
	}
	/* Who shares handlers shares memory, too. */
	for (unsigned int i = 0; ret == 0 && i < tree->count; i++)
		if (list[i].vm && syscall(SYS_kcmp, cr_process_eye(tree->procs[i]), list[i].vm,
					  KCMP_SIGHAND, 0, 0) == 0)
			list[i].sighand = list[i].vm;
	for (unsigned int i = 0; ret == 0 && i < tree->count; i++)
		tree->procs[i]->vm_of = list[i].vm;
	if (ret < 0) {
		free(list);
		list = NULL;
	}
	return list;
}

/* SPDX-License-Identifier: MIT */
#include "kin.h"

#include <signal.h>
#include <stdlib.h>

#include "clean.h"
#include "family.h"

enum { GROUP = 5, SESSION = 6, EXIT_SIGNAL = 38 };	/* proc(5) */

static int by_pid(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * Is a session or group that nobody in the tree leads led by somebody else?
 * A dead leader is none, even when it has not been waited for.
 */
static bool led_outside(const pid_t *pids, unsigned int n, pid_t id)
{
	struct cr_proc_stat st;
	struct cr_err ignored;

	if (bsearch(&id, pids, n, sizeof(*pids), by_pid))
		return false;
	if (!id)
		return true;	/* from outside of our pid namespace */
	return cr_proc_stat(id, &st, &ignored) == 0 && st.state != 'Z' && st.state != 'X';
}

struct kin *kin_read(const struct cr_tree *tree, struct near *near, struct cr_err *err)
{
	cr_auto_free pid_t *pids = malloc((tree->count + 1) * sizeof(*pids));
	cr_auto_free struct share *share = share_find(tree, near, err);
	struct kin *kin = calloc(tree->count + 1, sizeof(*kin));

	if (!kin || !pids || !share) {
		if (share)
			cr_err_sys(err, "out of memory");
		free(kin);
		return NULL;
	}
	for (unsigned int i = 0; i < tree->count; i++) {
		pids[i] = tree->procs[i]->pid;
		kin[i].share = share[i];
		if (cr_proc_stat(pids[i], &kin[i].st, err) < 0) {
			free(kin);
			return NULL;
		}
	}
	qsort(pids, tree->count, sizeof(*pids), by_pid);
	for (unsigned int i = 0; i < tree->count; i++) {
		kin[i].outer_session =
			led_outside(pids, tree->count, (pid_t)kin[i].st.field[SESSION]);
		kin[i].outer_group = led_outside(pids, tree->count, (pid_t)kin[i].st.field[GROUP]);
	}
	return kin;
}

static int index_of(const struct cr_tree *tree, pid_t parent, unsigned int *hint)
{
	/* Children of one parent stand together, and parents before them. */
	for (unsigned int n = 0; n < tree->count; n++) {
		unsigned int i = (*hint + n) % tree->count;

		if (tree->procs[i]->pid == parent) {
			*hint = i;
			return (int)i;
		}
	}
	return CR_OUTSIDE;
}

/* Of the process that this one shares with; its own when there is none. */
static int same_index(const struct cr_tree *tree, unsigned int index, pid_t same)
{
	for (unsigned int i = 0; same && i < index; i++)
		if (tree->procs[i]->pid == same)
			return (int)i;
	return (int)index;
}

static unsigned int with(const struct cr_tree *tree, unsigned int index, pid_t same)
{
	return same ? (unsigned int)same_index(tree, index, same) + 1 : 0;
}

int kin_check(const struct cr_tree *tree, const struct kin *kin, struct cr_err *err)
{
	cr_auto_free struct cr_kin *list = calloc(tree->count, sizeof(*list));
	struct cr_family family;
	unsigned int hint = 0;

	if (!list)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < tree->count; i++) {
		const struct cr_process *p = tree->procs[i];

		list[i] = (struct cr_kin){
			.pid = p->pid,
			.pgid = (pid_t)kin[i].st.field[GROUP],
			.sid = (pid_t)kin[i].st.field[SESSION],
			.parent = i ? index_of(tree, p->parent, &hint) : CR_OUTSIDE,
			.exit_signal = i ? (int)kin[i].st.field[EXIT_SIGNAL] : SIGCHLD,
			.outer_session = kin[i].outer_session,
			.outer_group = kin[i].outer_group,
			.files = p->zombie ? -1 : same_index(tree, i, kin[i].share.files),
			.fs = p->zombie ? -1 : same_index(tree, i, kin[i].share.fs),
			.vm_with = with(tree, i, kin[i].share.vm),
			.sighand_with = with(tree, i, kin[i].share.sighand),
		};
	}
	if (cr_family_plan(list, tree->count, &family, err) < 0)
		return -1;
	cr_family_release(&family);
	return 0;
}

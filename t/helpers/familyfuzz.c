/* SPDX-License-Identifier: MIT */
/*
 * familyfuzz COUNT [SEED]
 *
 * Make COUNT random histories of processes (fork, fork with CLONE_PARENT,
 * setsid, setpgid, becoming a subreaper, exit, reaping) by the kernel's rules,
 * plan each outcome with cr_family_plan(), carry the plan out by the same
 * rules, and compare parents, sessions, groups and shared tables.  Prints how many plans
 * were refused; exit 1 when one went wrong, or when more than one in thirty
 * was refused.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "family.h"
#include "parse.h"

#define MAX 128
#define CHLD SIGCHLD

struct proc {
	int pid, parent, sid, pgid, exit_signal;
	int files, fs;	/* which tables */
	bool used, dead, reaper;
};

static struct proc procs[2 * MAX];	/* 0 is the restorer, and init */
static int n_procs, next_pid, room, next_table;
static uint64_t state;

static unsigned int rnd(unsigned int below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned int)((state >> 20) % below);
}

static void reset(bool history)
{
	memset(procs, 0, sizeof(procs));
	procs[0] = (struct proc){ .pid = 1, .sid = 1, .pgid = 1, .used = true, .reaper = true };
	n_procs = 1;
	next_pid = 100;
	room = history ? MAX : 2 * MAX;
}

static int do_fork(int maker, bool clone_parent, int pid, int exit_signal, bool files, bool fs)
{
	int i = n_procs;

	if (i == room)
		return -1;
	n_procs++;
	procs[i] = procs[maker];
	procs[i].pid = pid ? pid : next_pid++;
	procs[i].parent = clone_parent ? procs[maker].parent : maker;
	procs[i].exit_signal = clone_parent ? procs[maker].exit_signal : exit_signal;
	procs[i].reaper = false;
	if (!files)
		procs[i].files = next_table++;
	if (!fs)
		procs[i].fs = next_table++;
	return i;
}

static bool group_exists(int pgid, int sid)
{
	for (int i = 0; i < n_procs; i++)
		if (procs[i].used && procs[i].pgid == pgid && procs[i].sid == sid)
			return true;
	return false;
}

static bool do_setsid(int i)
{
	for (int k = 0; k < n_procs; k++)
		if (procs[k].used && procs[k].pgid == procs[i].pid)
			return false;
	procs[i].sid = procs[i].pgid = procs[i].pid;
	return true;
}

static bool do_setpgid(int i, int pgid)
{
	if (procs[i].sid == procs[i].pid)
		return false;
	if (pgid != procs[i].pid && !group_exists(pgid, procs[i].sid))
		return false;
	procs[i].pgid = pgid;
	return true;
}

static void do_exit(int i)
{
	int heir = procs[i].parent;

	procs[i].dead = true;
	while (!procs[heir].reaper || procs[heir].dead)
		heir = procs[heir].parent;
	for (int k = 0; k < n_procs; k++)
		if (procs[k].used && procs[k].parent == i) {
			procs[k].parent = heir;
			procs[k].exit_signal = CHLD;
		}
}

static void do_reap(int i)
{
	procs[i].used = false;
}

/* --- a random history ----------------------------------------------------- */

static bool in_tree(int i)
{
	return procs[i].used;
}

static void step(void)
{
	int i = 1 + (int)rnd((unsigned int)n_procs - 1);

	if (!in_tree(i) || procs[i].dead)
		return;
	switch (rnd(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		do_fork(i, false, 0, rnd(8) ? CHLD : 0, !rnd(9), !rnd(9));
		break;
	case 4:
		if (i != 1)
			do_fork(i, true, 0, 0, !rnd(9), !rnd(9));
		break;
	case 5:
		do_setsid(i);
		break;
	case 6:
		do_setpgid(i, procs[i].pid);
		break;
	case 7:
		do_setpgid(i, procs[rnd((unsigned int)n_procs)].pgid);
		break;
	case 8:
		if (!rnd(4))
			procs[i].files = next_table++;
		if (!rnd(4))
			procs[i].fs = next_table++;
		procs[i].reaper = rnd(3) != 0;
		break;
	case 9:
	case 10:
		/* The root lives, and keeps what would leave the tree. */
		if (i != 1 && n_procs > 4)
			do_exit(i);
		break;
	default:
		for (int k = 1; k < n_procs; k++)
			if (procs[k].used && procs[k].dead && procs[k].parent == i && rnd(2))
				do_reap(k);
		break;
	}
}

/* Who has left the tree to init is no part of it. */
static bool below_root(int i)
{
	while (i > 1)
		i = procs[i].parent;
	return i == 1;
}

static int collect(struct cr_kin *kin)
{
	const struct proc *seen[MAX];
	int index[MAX], n = 0;
	bool more = true;

	for (int i = 0; i < MAX; i++)
		index[i] = -1;
	while (more) {
		more = false;
		for (int i = 1; i < n_procs; i++) {
			struct proc *p = &procs[i];

			if (!p->used || index[i] >= 0 || !below_root(i) ||
			    (i != 1 && index[p->parent] < 0))
				continue;
			index[i] = n;
			kin[n] = (struct cr_kin){
				.pid = p->pid,
				.pgid = p->pgid,
				.sid = p->sid,
				.parent = i == 1 ? CR_OUTSIDE : index[p->parent],
				.exit_signal = i == 1 ? CHLD : p->exit_signal,
				.outer_session = p->sid == 1,
				.outer_group = p->pgid == 1,
				.files = p->dead ? -1 : n,
				.fs = p->dead ? -1 : n,
			};
			for (int k = n; k-- > 0 && !p->dead;) {
				if (kin[k].files >= 0 && seen[k]->files == p->files)
					kin[n].files = k;
				if (kin[k].fs >= 0 && seen[k]->fs == p->fs)
					kin[n].fs = k;
			}
			seen[n++] = p;
			more = true;
		}
	}
	return n;
}

/* Members of a session or group outside keep its pid from being free. */
static bool foreign_ids(const struct cr_kin *kin, int n)
{
	for (int i = 1; i < n_procs; i++) {
		if (!procs[i].used || below_root(i))
			continue;
		for (int k = 0; k < n; k++)
			if ((kin[k].sid == procs[i].sid && procs[i].sid != 1) ||
			    (kin[k].pgid == procs[i].pgid && procs[i].pgid != 1))
				return true;
	}
	return false;
}

/* --- the plan, carried out ------------------------------------------------- */

static int at[2 * MAX];	/* place in procs[] of each birth */

static bool live(const struct cr_family *f, int i);

static bool make_one(const struct cr_family *f, int maker, int i)
{
	const struct cr_birth *b = &f->births[i];
	int by = maker == CR_OUTSIDE ? 0 : at[maker];

	if (b->unshare_files)
		procs[by].files = next_table++;
	if (b->unshare_fs)
		procs[by].fs = next_table++;
	at[i] = do_fork(by, b->clone_parent, b->pid, b->exit_signal, b->share_files, b->share_fs);
	return at[i] >= 0 && live(f, i);
}

static bool make(const struct cr_family *f, int maker, int first)
{
	for (int i = first; i != CR_OUTSIDE; i = f->births[i].next_kid)
		if (!make_one(f, maker, i))
			return false;
	if (maker == CR_OUTSIDE)
		return true;
	if (f->births[maker].leave_files)
		procs[at[maker]].files = next_table++;
	if (f->births[maker].leave_fs)
		procs[at[maker]].fs = next_table++;
	return true;
}

static bool live(const struct cr_family *f, int i)
{
	const struct cr_birth *b = &f->births[i];
	int next = b->first_kid;

	/* Those before setsid() stand first in the list. */
	for (; b->setsid && next != CR_OUTSIDE && f->births[next].before;
	     next = f->births[next].next_kid)
		if (!make_one(f, i, next))
			return false;
	if (b->setsid && !do_setsid(at[i]))
		return false;
	if (b->lead && !do_setpgid(at[i], procs[at[i]].pid))
		return false;
	return make(f, i, next);
}

static bool carry_out(const struct cr_family *f)
{
	reset(false);
	if (!make(f, CR_OUTSIDE, f->first_kid))
		return false;
	for (unsigned int d = f->max_depth; d > 0; d--) {
		for (unsigned int i = 0; i < f->n_kin; i++)
			procs[at[i]].reaper = f->births[i].adopts && f->births[i].depth == d;
		for (unsigned int i = f->n_kin; i < f->count; i++)
			if (f->births[i].kind == CR_BIRTH_MIDDLE &&
			    f->births[f->births[i].heir].depth == d) {
				do_exit(at[i]);
				do_reap(at[i]);
			}
	}
	for (unsigned int i = 0; i < f->n_kin; i++)
		if (f->births[i].outer_group)
			procs[at[i]].pgid = 1;
		else if (f->births[i].join && !do_setpgid(at[i], f->births[i].join))
			return false;
	for (unsigned int i = f->n_kin; i < f->count; i++)
		if (f->births[i].kind != CR_BIRTH_MIDDLE) {
			do_exit(at[i]);
			do_reap(at[i]);
		}
	return true;
}

/* The same table exactly when it was the same. */
static bool tables_differ(const struct cr_kin *kin, int i, int k)
{
	const struct proc *p = &procs[at[i]], *q = &procs[at[k]];

	return (kin[i].files >= 0 && kin[k].files >= 0 &&
		(kin[i].files == kin[k].files) != (p->files == q->files)) ||
	       (kin[i].fs >= 0 && kin[k].fs >= 0 && (kin[i].fs == kin[k].fs) != (p->fs == q->fs));
}

static bool compare(const struct cr_kin *kin, int n)
{
	for (int i = 0; i < n; i++)
		for (int k = 0; k < i; k++)
			if (tables_differ(kin, i, k)) {
				printf("# pids %d and %d: files %d %d, fs %d %d\n", kin[i].pid,
				       kin[k].pid, procs[at[i]].files, procs[at[k]].files,
				       procs[at[i]].fs, procs[at[k]].fs);
				return false;
			}
	for (int i = 0; i < n; i++) {
		const struct proc *p = &procs[at[i]];
		int parent = kin[i].parent == CR_OUTSIDE ? 0 : at[kin[i].parent];

		if (p->pid != kin[i].pid || p->sid != kin[i].sid || p->pgid != kin[i].pgid ||
		    p->parent != parent || p->exit_signal != kin[i].exit_signal) {
			printf("# pid %d: parent %d, session %d, group %d, signal %d\n", kin[i].pid,
			       procs[p->parent].pid, p->sid, p->pgid, p->exit_signal);
			return false;
		}
	}
	return true;
}

static void print(const struct cr_kin *kin, int n)
{
	for (int i = 0; i < n; i++)
		printf("# pid %d, parent %d, session %d%s, group %d%s, signal %d, files of %d, fs of %d\n",
		       kin[i].pid, kin[i].parent < 0 ? 0 : kin[kin[i].parent].pid, kin[i].sid,
		       kin[i].outer_session ? " (outside)" : "", kin[i].pgid,
		       kin[i].outer_group ? " (outside)" : "", kin[i].exit_signal,
		       kin[i].files < 0 ? 0 : kin[kin[i].files].pid,
		       kin[i].fs < 0 ? 0 : kin[kin[i].fs].pid);
}

int main(int argc, char **argv)
{
	uint64_t count, seed = 1, refused = 0, planned = 0;
	struct cr_kin kin[MAX];

	if (argc < 2 || cr_parse_u64(argv[1], 10, 1, 100000000, &count) < 0 ||
	    (argc > 2 && cr_parse_u64(argv[2], 10, 1, UINT64_MAX, &seed) < 0))
		return 100;
	while (planned < count) {
		struct cr_family f;
		struct cr_err err;
		int n;

		state = (seed++) * 0x9e3779b97f4a7c15ull;
		reset(true);
		do_fork(0, false, 0, CHLD, false, false);
		if (rnd(4))
			do_setsid(1);
		procs[1].reaper = rnd(2);
		for (unsigned int k = 5 + rnd(100); k > 0; k--)
			step();
		n = collect(kin);
		if (foreign_ids(kin, n))
			continue;
		planned++;
		if (cr_family_plan(kin, (unsigned int)n, &f, &err) < 0) {
			if (argc > 2) {
				printf("# seed %llu: %s\n", (unsigned long long)seed - 1, err.msg);
				print(kin, n);
			}
			refused++;
			continue;
		}
		if (!carry_out(&f) || !compare(kin, n)) {
			printf("# seed %llu went wrong\n", (unsigned long long)seed - 1);
			print(kin, n);
			return 1;
		}
		cr_family_release(&f);
	}
	printf("%llu planned, %llu refused\n", (unsigned long long)planned,
	       (unsigned long long)refused);
	return refused * 30 > planned;
}

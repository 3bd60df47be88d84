/* SPDX-License-Identifier: MIT */
/*
 * Freezing.  A list of threads or children says everything when it was read
 * after all that could add to it had stopped.  So, in rounds: list threads and
 * seize the new ones; wait for all of them; a process whose list brought
 * nothing new is complete, and then its children are listed.
 *
 * Children come only after their parent has stopped: a child of vfork(2) goes
 * on until its parent is free, and no wait is in vain.
 */
#include "tree-freeze.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "inject.h"
#include "proc.h"

#define PID_LIMIT 4194304	/* PID_MAX_LIMIT of 64-bit kernels */
#define LATE_MS 20
#define VFORK_MS 2000	/* more than a child needs to execute a program */
#define RETRY_US 2000
#define PATIENCE_NS 1000000u	/* how long to look at one thread only */
#define AGAIN 1

struct round {
	bool grew;		/* its list of threads had new ones */
	bool complete;		/* all its threads are known and stopped */
	bool children_known;
};

struct freezer {
	struct cr_tree *tree;
	struct round *rounds;	/* of tree->procs */
	unsigned int room;
	uint8_t *threads;	/* bitmap of thread ids that are in the tree */
	uint8_t *procs;		/* the same of processes */
	pid_t *born;		/* attached at birth */
	unsigned int n_born;
	bool lost;		/* a process has ended: its children have other parents now */
	uint64_t until_ns;
	int (*seized)(void *ctx, struct cr_err *err);	/* NULL: the tree runs */
	void *ctx;
};

static bool test(const uint8_t *map, pid_t id)
{
	return map[id >> 3] & 1u << (id & 7);
}

static void set(uint8_t *map, pid_t id, bool on)
{
	uint8_t bit = (uint8_t)(1u << (id & 7));

	map[id >> 3] = (uint8_t)(on ? map[id >> 3] | bit : map[id >> 3] & ~bit);
}

static int add_process(struct freezer *f, pid_t pid, pid_t parent, struct cr_err *err)
{
	struct cr_tree *t = f->tree;
	struct cr_process *p;

	if (t->count == f->room) {
		unsigned int room = f->room ? f->room * 2 : 16;
		struct cr_process **procs = realloc(t->procs, room * sizeof(*procs));
		struct round *rounds = realloc(f->rounds, room * sizeof(*rounds));

		if (procs)
			t->procs = procs;
		if (rounds)
			f->rounds = rounds;
		if (!procs || !rounds)
			return cr_err_sys(err, "out of memory");
		f->room = room;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return cr_err_sys(err, "out of memory");
	p->pid = pid;
	p->parent = parent;
	set(f->procs, pid, true);
	f->rounds[t->count] = (struct round){ 0 };
	t->procs[t->count++] = p;
	return 0;
}

static bool vanished(const struct cr_err *err)
{
	return err->errnum == ENOENT || err->errnum == ESRCH;
}

/*
 * Are there only those threads that are stopped already?  The link count of
 * the folder is that of the living threads and two, which spares reading it.
 */
static bool all_known(const struct cr_process *p)
{
	char path[48];
	struct stat sb;

	if (!p->n_threads || p->dead_leader)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)p->pid);
	return stat(path, &sb) == 0 && sb.st_nlink == p->n_threads + 2;
}

/* Seize the threads that are new. */
static int seize_threads(struct freezer *f, struct cr_process *p, bool *grew, struct cr_err *err)
{
	cr_auto_free pid_t *tids = NULL;
	struct cr_tracee *grown;
	unsigned int n;
	int ret;

	*grew = false;
	if (all_known(p))
		return 0;
	if (cr_proc_tids(p->pid, &tids, &n, err) < 0)
		return vanished(err) ? 0 : -1;
	grown = realloc(p->threads, (p->n_threads + n + 1) * sizeof(*grown));
	if (!grown)
		return cr_err_sys(err, "out of memory");
	p->threads = grown;
	for (unsigned int i = 0; i < n; i++) {
		if (test(f->threads, tids[i]))
			continue;
		ret = cr_tracee_seize(&p->threads[p->n_threads], p->pid, tids[i], err);
		if (ret < 0)
			return -1;
		if (ret == 0) {
			set(f->threads, tids[i], true);
			p->n_threads++;
			*grew = true;
		} else if (tids[i] == p->pid) {
			p->dead_leader = true;
		}
		cr_fault("seize");
	}
	return 0;
}

static int add_children(struct freezer *f, unsigned int index, struct cr_err *err)
{
	struct cr_process *p = f->tree->procs[index];
	cr_auto_free pid_t *kids = NULL;
	unsigned int n;

	f->rounds[index].children_known = true;
	if (cr_proc_children(p->pid, &kids, &n, err) < 0)
		return vanished(err) ? 0 : -1;
	for (unsigned int i = 0; i < n; i++) {
		if (test(f->procs, kids[i]))
			continue;
		if (add_process(f, kids[i], p->pid, err) < 0)
			return -1;
		/* One that ends while the list is read can hide another. */
		f->rounds[index].children_known = false;
	}
	return 0;
}

/* It was attached at birth: stopped. */
static void let_go_born(pid_t pid, uint64_t until_ns)
{
	struct cr_tracee th = { .pid = pid, .tid = pid };
	struct cr_err ignored;

	if (cr_tracee_wait_stop(&th, until_ns, &ignored) == 0)
		cr_tracee_detach(&th);
}

static int note_birth(struct freezer *f, struct cr_tracee *th, struct cr_err *err)
{
	pid_t *grown;

	if (!th->born)
		return 0;
	/* Seized before it was told to stop, the thread called vfork(2): it waits for
	 * the child, which is found when it has stopped. */
	if (th->vforked) {
		let_go_born(th->born, f->until_ns);
		th->born = 0;
		return 0;
	}
	grown = realloc(f->born, (f->n_born + 1) * sizeof(*grown));
	if (!grown)
		return cr_err_sys(err, "out of memory");
	f->born = grown;
	f->born[f->n_born++] = th->born;
	th->born = 0;
	return 0;
}

static int too_late(const struct cr_tracee *th, struct cr_err *err)
{
	return cr_err_set(err, CR_REFUSED,
			  "pid %d: thread %d does not stop in time, %s; all are let go",
			  (int)th->pid, (int)th->tid,
			  cr_tracee_in_vfork(th) ?
				  "it is in vfork until its child has executed or ended" :
				  "it is in an uninterruptible wait");
}

/* Returns 0 when it has stopped or ended, 1 when it does neither until @until_ns. */
static int wait_thread(struct freezer *f, struct cr_tracee *th, uint64_t until_ns,
		       struct cr_err *err)
{
	int ret = cr_tracee_wait_stop(th, until_ns, err);

	if (note_birth(f, th, err) < 0)
		return -1;
	if (ret == 2)
		return 1;
	if (ret == 0)
		ret = cr_tracee_save(th, err);
	if (ret < 0 && th->state != CR_TRACEE_GONE)
		return -1;
	cr_fault("stopped");
	return 0;
}

/*
 * One look at each thread that has not stopped yet: the first of them, or NULL.
 * They are taken as they stop, not in their order: a thread whose call ended
 * with EINTR for the stop is put right at once.
 */
static int look_at_all(struct freezer *f, struct cr_tracee **late, struct cr_err *err)
{
	*late = NULL;
	for (unsigned int i = 0; i < f->tree->count; i++) {
		struct cr_process *p = f->tree->procs[i];

		if (f->rounds[i].complete)
			continue;
		for (unsigned int k = 0; k < p->n_threads; k++) {
			struct cr_tracee *th = &p->threads[k];
			int ret;

			if (th->state != CR_TRACEE_RUNNING)
				continue;
			ret = wait_thread(f, th, 0, err);
			if (ret < 0)
				return -1;
			if (ret > 0 && !*late)
				*late = th;
		}
	}
	return 0;
}

static int wait_all(struct freezer *f, struct cr_err *err)
{
	uint64_t vfork_ns = cr_now_ns() + VFORK_MS * 1000000ull;
	struct cr_tracee *late;

	for (;;) {
		if (look_at_all(f, &late, err) < 0)
			return -1;
		if (!late)
			return 0;
		if (cr_now_ns() >= f->until_ns)
			return too_late(late, err);
		if (cr_now_ns() >= vfork_ns && cr_tracee_in_vfork(late))
			return too_late(late, err);
		if (wait_thread(f, late, cr_now_ns() + PATIENCE_NS, err) < 0)
			return -1;
	}
}

/* Threads that ended before they stopped are forgotten; their ids may come again. */
static void drop_gone(struct freezer *f, struct cr_process *p)
{
	unsigned int kept = 0;

	for (unsigned int k = 0; k < p->n_threads; k++) {
		struct cr_tracee *th = &p->threads[k];

		if (th->state != CR_TRACEE_GONE) {
			p->threads[kept++] = *th;
			continue;
		}
		set(f->threads, th->tid, false);
		if (th->tid == p->pid)
			p->dead_leader = true;
	}
	if (p->n_threads && !kept)
		f->lost = true;
	p->n_threads = kept;
}

/* Returns whether there is more to be done. */
static int one_round(struct freezer *f, bool recurse, struct cr_err *err)
{
	struct cr_tree *t = f->tree;
	unsigned int before = t->count;
	bool more = false;

	for (unsigned int i = 0; i < before; i++)
		if (!f->rounds[i].complete &&
		    seize_threads(f, t->procs[i], &f->rounds[i].grew, err) < 0)
			return -1;
	if (wait_all(f, err) < 0)
		return -1;
	for (unsigned int i = 0; i < before; i++) {
		struct round *r = &f->rounds[i];

		if (r->complete)
			continue;
		drop_gone(f, t->procs[i]);
		r->complete = !r->grew;
		more |= r->grew;
	}
	for (unsigned int i = 0; recurse && i < before; i++) {
		if (!f->rounds[i].complete || f->rounds[i].children_known)
			continue;
		if (add_children(f, i, err) < 0)
			return -1;
		more |= !f->rounds[i].children_known;
	}
	return more;
}

/* Nothing runs: lists of threads and children are true as soon as they are
 * read.  What is seized now stops when it is let run. */
static int seize_held(struct freezer *f, struct cr_err *err)
{
	struct cr_tree *t = f->tree;
	bool grew;

	for (unsigned int i = 0; i < t->count; i++) {
		if (seize_threads(f, t->procs[i], &grew, err) < 0)
			return -1;
		if (!tree_may_vfork(t->procs[i]) && add_children(f, i, err) < 0)
			return -1;
		f->rounds[i].children_known = false;
	}
	return f->seized(f->ctx, err);
}

static int all_rounds(struct freezer *f, bool recurse, struct cr_err *err)
{
	int more;

	do {
		more = one_round(f, recurse, err);
		if (more == 0 && f->lost) {
			f->lost = false;
			for (unsigned int i = 0; i < f->tree->count; i++)
				f->rounds[i].children_known = false;
			more = 1;
		}
	} while (more > 0);
	return more;
}

/* Was attached at birth but is none of the tree's: its parent ended, say. */
static void release_strays(struct freezer *f)
{
	uint64_t until = cr_now_ns() + LATE_MS * 1000000ull;

	for (unsigned int i = 0; i < f->n_born; i++) {
		if (!test(f->threads, f->born[i]))
			let_go_born(f->born[i], until);
	}
	f->n_born = 0;
}

/* An earlier freeze was killed and one of its threads is not home yet. */
static int check_leaving(const struct cr_tree *t, struct cr_err *err)
{
	for (unsigned int i = 0; i < t->count; i++) {
		int ret = t->procs[i]->zombie ? 0 : cr_agent_leaving(t->procs[i], err);

		if (ret < 0)
			return -1;
		if (ret > 0) {
			cr_err_set(err, CR_REFUSED,
				   "pid %d: it is still leaving an earlier freeze; try again",
				   (int)t->procs[i]->pid);
			return AGAIN;
		}
	}
	return 0;
}

static int try_freeze(struct freezer *f, pid_t root, bool recurse, struct cr_err *err)
{
	struct cr_tree *t = f->tree;

	if (tree_check_root(root, err) < 0 || add_process(f, root, 0, err) < 0 ||
	    (f->seized && seize_held(f, err) < 0) || all_rounds(f, recurse, err) < 0 ||
	    tree_drop_reaped(t, err) < 0)
		return -1;
	if (t->count == 0 || t->procs[0]->pid != root)
		return cr_err_set(err, CR_REFUSED, "pid %d: no such process", (int)root);
	if (t->procs[0]->zombie)
		return cr_err_set(err, CR_REFUSED, "pid %d: it has ended already (a zombie)",
				  (int)root);
	if (tree_settle_parents(t, err) < 0)
		return -1;
	for (unsigned int i = 0; i < t->count; i++)
		tree_set_workers_aside(t->procs[i]);
	release_strays(f);
	return check_leaving(t, err);
}

static void freezer_release(struct freezer *f)
{
	free(f->rounds);
	free(f->threads);
	free(f->procs);
	free(f->born);
}

/* One attempt.  On failure everything is let go again. */
static int attempt(const struct freezer *how, pid_t root, bool recurse, struct cr_tree **out,
		   struct cr_err *err)
{
	struct freezer f = *how;
	int ret;

	*out = NULL;
	if (tree_being_restored(root)) {
		cr_err_set(err, CR_REFUSED, "pid %d: it is still being restored; try again",
			   (int)root);
		return AGAIN;
	}
	f.threads = calloc(1, PID_LIMIT / 8 + 1);
	f.procs = calloc(1, PID_LIMIT / 8 + 1);
	f.tree = calloc(1, sizeof(*f.tree));
	if (!f.threads || !f.procs || !f.tree) {
		ret = cr_err_sys(err, "out of memory");
		free(f.tree);
		f.tree = NULL;
	} else {
		cr_trace_block_sigchld(&f.tree->old_mask);
		f.tree->began_ns = cr_now_ns();
		ret = try_freeze(&f, root, recurse, err);
		if (ret) {
			cr_tree_thaw(f.tree);
			release_strays(&f);
		}
	}
	if (ret) {
		cr_tree_free(f.tree);
		f.tree = NULL;
	} else {
		f.tree->frozen_ns = cr_now_ns();
	}
	*out = f.tree;
	freezer_release(&f);
	return ret;
}

static int freeze(struct freezer *how, pid_t root, bool recurse, unsigned int timeout_ms,
		  struct cr_tree **out, struct cr_err *err)
{
	int ret;

	how->until_ns = timeout_ms ? cr_now_ns() + timeout_ms * 1000000ull : UINT64_MAX;
	for (;;) {
		ret = attempt(how, root, recurse, out, err);
		if (ret != AGAIN)
			return ret;
		if (cr_now_ns() >= how->until_ns)
			return -1;
		usleep(RETRY_US);
		/* The one that was held runs now, and is frozen like any other. */
		how->seized = NULL;
	}
}

int cr_tree_freeze(pid_t root, bool recurse, unsigned int timeout_ms, struct cr_tree **out,
		   struct cr_err *err)
{
	struct freezer how = { 0 };

	return freeze(&how, root, recurse, timeout_ms, out, err);
}

int cr_tree_freeze_held(pid_t root, unsigned int timeout_ms,
			int (*seized)(void *ctx, struct cr_err *err), void *ctx,
			struct cr_tree **out, struct cr_err *err)
{
	struct freezer how = { .seized = seized, .ctx = ctx };

	return freeze(&how, root, true, timeout_ms, out, err);
}

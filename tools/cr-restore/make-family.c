/* SPDX-License-Identifier: MIT */
#include "make-family.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "all-signals.h"
#include "become.h"
#include "cgroup.h"
#include "clean.h"
#include "cow.h"
#include "fault.h"
#include "mates.h"
#include "session-ring.h"
#include "spare.h"
#include "tty.h"

#define LOOK_NS 200000000

/* One process, real or helper, on its way to its place. */
struct member {
	struct restore *r;
	unsigned int index;
	const struct cr_birth *birth;
	uint32_t alive;	/* processes that take part in the next step */
	uint32_t steps;	/* arrivals that end the steps so far */
};

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int collect_ids(struct restore *r, struct cr_err *err)
{
	size_t n = r->family.count;

	for (unsigned int i = 0; i < r->img.n_tasks; i++)
		n += r->img.tasks[i].n_threads;
	r->ids = malloc((n + 1) * sizeof(*r->ids));
	if (!r->ids)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < r->family.count; i++)
		if (r->family.births[i].pid)
			r->ids[r->n_ids++] = (uint32_t)r->family.births[i].pid;
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		for (unsigned int k = 0; k < t->n_threads; k++)
			if (t->task->tids[k] != t->task->pid)
				r->ids[r->n_ids++] = t->task->tids[k];
	}
	if (r->n_ids)
		qsort(r->ids, r->n_ids, sizeof(*r->ids), by_value);
	for (size_t i = 1; i < r->n_ids; i++)
		if (r->ids[i] == r->ids[i - 1])
			return cr_err_set(err, CR_BAD_INPUT,
					  "two processes or threads with the id %u", r->ids[i]);
	return 0;
}

static int same_index(const struct task_image *t, const struct task_image *same)
{
	if (task_is_zombie(t))
		return -1;
	return (int)(same ? same : t)->index;
}

int family_check(struct restore *r, struct cr_err *err)
{
	cr_auto_free struct cr_kin *kin = calloc(r->img.n_tasks, sizeof(*kin));
	bool outside = false;

	if (!kin)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		kin[i] = (struct cr_kin){
			.pid = (pid_t)t->task->pid,
			.pgid = (pid_t)t->task->pgid,
			.sid = (pid_t)t->task->sid,
			.parent = t->parent ? (int)t->parent->index : CR_OUTSIDE,
			.exit_signal = t->parent ? (int)t->task->exit_signal : SIGCHLD,
			.outer_session = t->task->outer_session,
			.outer_group = t->task->outer_group,
			.files = same_index(t, t->share_files),
			.fs = same_index(t, t->share_fs),
			.vm_with = t->share_vm ? t->share_vm->index + 1 : 0,
			.sighand_with = t->share_sighand ? t->share_sighand->index + 1 : 0,
		};
		outside |= t->task->outer_session || t->task->outer_group;
	}
	if (outside && !r->opts.shell_job)
		refuse(r, kin[0].pid, "",
		       "it is a job of session %u, led from outside of the tree; use --shell-job",
		       (unsigned int)kin[0].sid);
	if (cr_family_plan(kin, r->img.n_tasks, &r->family, err) < 0)
		return -1;
	if (r->opts.sibling && r->family.births[0].maker != CR_OUTSIDE)
		refuse(r, kin[0].pid, "",
		       "the leader of its session is gone, so another process has to make it: "
		       "--restore-sibling is not possible");
	return collect_ids(r, err);
}

static void wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* Count ourselves and wait for the others; a restore that failed ends here. */
static void step(struct member *m)
{
	uint32_t *word = &m->r->shared->steps;
	uint32_t seen = __atomic_add_fetch(word, 1, __ATOMIC_ACQ_REL);

	m->steps += m->alive;
	if (seen == m->steps)
		wake(word);
	mates_pause();
	while ((seen = __atomic_load_n(word, __ATOMIC_ACQUIRE)) < m->steps) {
		if (__atomic_load_n(&m->r->shared->failed, __ATOMIC_ACQUIRE))
			_exit(CR_AGENT_FAILED);
		mates_wait_word(word, seen, LOOK_NS);
	}
	mates_go_on(m->r);
}

static unsigned int middle_ones(const struct restore *r, unsigned int depth)
{
	const struct cr_family *f = &r->family;
	unsigned int n = 0;

	for (unsigned int i = f->n_kin; i < f->count; i++)
		if (f->births[i].kind == CR_BIRTH_MIDDLE &&
		    f->births[f->births[i].heir].depth == depth)
			n++;
	return n;
}

uint32_t family_arrivals(const struct restore *r)
{
	uint32_t alive = r->family.count, steps = alive;

	for (unsigned int d = r->family.max_depth; r->family.n_middle && d > 0; d--) {
		unsigned int n = middle_ones(r, d);

		if (n)
			steps += alive + (alive - n);
		alive -= n;
	}
	return steps + alive;
}

static void live(struct restore *r, unsigned int index) __attribute__((noreturn));

static int leave_tables(bool files, bool fs, struct cr_err *err)
{
	int flags = (files ? CLONE_FILES : 0) | (fs ? CLONE_FS : 0);

	return flags && unshare(flags) < 0 ? cr_err_sys(err, "unshare") : 0;
}

static int spawn(struct restore *r, int index, struct cr_err *err)
{
	const struct cr_birth *b = &r->family.births[index];
	bool clone_parent = b->clone_parent || (index == 0 && r->opts.sibling);
	pid_t pid = b->pid;
	struct clone_args args = {
		.flags = (b->share_sighand ? CLONE_SIGHAND : CLONE_CLEAR_SIGHAND) |
			 (clone_parent ? CLONE_PARENT : 0) | (b->share_files ? CLONE_FILES : 0) |
			 (b->share_fs ? CLONE_FS : 0),
		/* With CLONE_PARENT it is the maker's. */
		.exit_signal = clone_parent ? 0 : (uint64_t)b->exit_signal,
		.set_tid = (uint64_t)(uintptr_t)&pid,
		.set_tid_size = 1,
	};
	long got;

	if (leave_tables(b->unshare_files, b->unshare_fs, err) < 0)
		return -1;
	if (b->share_vm)
		got = mates_clone(r, &args, (unsigned int)index, live);
	else
		got = pid ? syscall(SYS_clone3, &args, sizeof(args)) : spare_clone(r, &args);
	if (got == 0) {
		mates_forget();
		live(r, (unsigned int)index);
	}
	if (got < 0 && errno == EEXIST)
		return cr_err_set(err, CR_REFUSED, "pid %d is taken", (int)pid);
	if (got < 0)
		return cr_err_sys(err, "unable to create pid %d", (int)pid);
	slot_at(r, (unsigned int)index)->pid = (uint32_t)got;
	cr_fault("spawned");
	return 0;
}

/* Make kids from *next on, of those before setsid() only. */
static int spawn_kids(struct restore *r, int *next, bool before, struct cr_err *err)
{
	while (*next != CR_OUTSIDE && (!before || r->family.births[*next].before)) {
		if (spawn(r, *next, err) < 0)
			return -1;
		*next = r->family.births[*next].next_kid;
	}
	return 0;
}

static int be_born(struct member *m, struct cr_err *err)
{
	const struct cr_birth *b = m->birth;
	int next = b->first_kid;

	if (cow_prepare(m->r, m->index, err) < 0)
		return -1;
	if (b->setsid && (spawn_kids(m->r, &next, true, err) < 0 || setsid() < 0))
		return err->class ? -1 : cr_err_sys(err, "pid %d: setsid", (int)b->pid);
	if (b->setsid && b->kind == CR_BIRTH_TASK &&
	    ttys_lead(m->r, &m->r->img.tasks[m->index], err) < 0)
		return -1;
	if (b->lead && setpgid(0, 0) < 0)
		return cr_err_sys(err, "pid %d: setpgid", (int)b->pid);
	if (spawn_kids(m->r, &next, false, err) < 0 ||
	    leave_tables(b->leave_files, b->leave_fs, err) < 0)
		return -1;
	step(m);
	return 0;
}

/* Wait for the helpers of a kind that are our children. */
static int reap_helpers(struct member *m, bool middle, unsigned int depth, struct cr_err *err)
{
	const struct cr_family *f = &m->r->family;

	for (unsigned int i = f->n_kin; i < f->count; i++) {
		const struct cr_birth *b = &f->births[i];
		pid_t pid = (pid_t)slot_at(m->r, i)->pid;
		int ret = EINTR;

		if (b->parent != (int)m->index || (b->kind == CR_BIRTH_MIDDLE) != middle ||
		    (middle && f->births[b->heir].depth != depth))
			continue;
		mates_pause();
		while (ret == EINTR)
			ret = mates_wait_child(pid, __WALL, false);
		mates_go_on(m->r);
		errno = ret;
		if (ret)
			return cr_err_sys(err, "unable to wait for helper %d", (int)pid);
		slot_at(m->r, i)->pid = 0;
	}
	return 0;
}

/* Orphans go to their new parents: the deepest of these first, so that nobody
 * on the way up is a subreaper. */
static int adopt(struct member *m, struct cr_err *err)
{
	const struct cr_family *f = &m->r->family;
	const struct cr_birth *b = m->birth;

	for (unsigned int d = f->max_depth; f->n_middle && d > 0; d--) {
		unsigned int n = middle_ones(m->r, d);

		if (!n)
			continue;
		if (b->adopts && b->depth == d && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
			return cr_err_sys(err, "PR_SET_CHILD_SUBREAPER");
		step(m);
		if (b->kind == CR_BIRTH_MIDDLE && f->births[b->heir].depth == d)
			_exit(0);
		if (reap_helpers(m, true, d, err) < 0)
			return -1;
		m->alive -= n;
		step(m);
		if (b->adopts && b->depth == d && prctl(PR_SET_CHILD_SUBREAPER, 0) < 0)
			return cr_err_sys(err, "PR_SET_CHILD_SUBREAPER");
	}
	return 0;
}

static int join_group(struct member *m, struct cr_err *err)
{
	pid_t to = m->birth->outer_group ? m->r->outer_pgid : m->birth->join;

	if (to && getpgrp() != to && setpgid(0, to) < 0)
		return cr_err_sys(err, "pid %d: setpgid to %d", (int)m->birth->pid, (int)to);
	step(m);
	return 0;
}

static int compare(const struct member *m, const char *what, pid_t is, uint32_t want,
		   struct cr_err *err)
{
	if ((uint32_t)is == want)
		return 0;
	return cr_err_set(err, CR_SYSTEM, "pid %d: its %s is %d, not %u", (int)m->birth->pid, what,
			  (int)is, want);
}

/* Is everything as the image has it? */
static int prove(const struct member *m, struct cr_err *err)
{
	const struct task_image *t = &m->r->img.tasks[m->index];

	if (t->parent && compare(m, "parent", getppid(), t->task->ppid, err) < 0)
		return -1;
	if (!t->task->outer_session && compare(m, "session", getsid(0), t->task->sid, err) < 0)
		return -1;
	if (t->task->outer_group)
		return 0;
	return compare(m, "process group", getpgrp(), t->task->pgid, err);
}

/* A main thread that ends counts as the parent's death. */
static bool parent_leader_dies(const struct member *m)
{
	int parent = m->birth->parent;

	return parent != CR_OUTSIDE && parent < (int)m->r->img.n_tasks &&
	       m->r->img.tasks[parent].task->dead_leader;
}

static int find_place(struct member *m, struct cr_err *err)
{
	const struct cr_birth *b = m->birth;
	bool orphan = b->maker != CR_OUTSIDE &&
		      m->r->family.births[b->maker].kind == CR_BIRTH_MIDDLE;

	/* Whose parent dies is not to die with it. */
	if (!orphan && !parent_leader_dies(m) && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return cr_err_sys(err, "PR_SET_PDEATHSIG");
	if (be_born(m, err) < 0 || adopt(m, err) < 0 || join_group(m, err) < 0)
		return -1;
	if (b->kind != CR_BIRTH_TASK)
		return 0;
	if (orphan && !parent_leader_dies(m) && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return cr_err_sys(err, "PR_SET_PDEATHSIG");
	return reap_helpers(m, false, 0, err) < 0 ? -1 : prove(m, err);
}

static void live(struct restore *r, unsigned int index)
{
	struct member m = {
		.r = r,
		.index = index,
		.birth = &r->family.births[index],
		.alive = r->family.count,
	};
	struct cr_err err = { 0 };

	cr_all_signals(SIG_BLOCK);
	if (cgroups_join(r, index, &err) < 0 || session_ring_join(r, index, &err) < 0 ||
	    find_place(&m, &err) < 0)
		task_fail(r, index, &err);
	if (m.birth->kind != CR_BIRTH_TASK)
		_exit(0);
	task_become(r, &r->img.tasks[index]);
}

pid_t family_start(struct restore *r, struct cr_err *err)
{
	int next = r->family.first_kid;

	r->outer_pgid = getpgrp();
	for (unsigned int i = 0; i < r->img.n_tasks; i++)
		if (r->img.tasks[i].task->dead_leader)
			slot_at(r, i)->eye = r->img.tasks[i].task->tids[0];
	if (spawn_kids(r, &next, false, err) < 0)
		return -1;
	return 0;
}

int family_end(struct restore *r, struct cr_err *err)
{
	struct member m = { .r = r, .index = (unsigned int)CR_OUTSIDE };

	return reap_helpers(&m, false, 0, err);
}

/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "clean.h"
#include "fault.h"
#include "inject.h"
#include "proc.h"

#define PID_LIMIT 4194304	/* PID_MAX_LIMIT of 64-bit kernels */
#define RETRY_MS 20

uint64_t cr_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool mark(struct cr_tree *t, pid_t id)
{
	uint8_t bit = (uint8_t)(1u << (id & 7));
	bool was = t->seen[id >> 3] & bit;

	t->seen[id >> 3] |= bit;
	return !was;
}

static int add_process(struct cr_tree *t, pid_t pid, pid_t parent, struct cr_err *err)
{
	struct cr_process *p;

	if (t->count == t->room) {
		unsigned int room = t->room ? t->room * 2 : 16;
		struct cr_process **grown = realloc(t->procs, room * sizeof(*grown));

		if (!grown)
			return cr_err_sys(err, "out of memory");
		t->procs = grown;
		t->room = room;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return cr_err_sys(err, "out of memory");
	p->pid = pid;
	p->parent = parent;
	t->procs[t->count++] = p;
	return 0;
}

/* Seize the threads that are new.  Returns how many, or -1. */
static int seize_threads(struct cr_tree *t, struct cr_process *p, struct cr_err *err)
{
	cr_auto_free pid_t *tids = NULL;
	struct cr_tracee *grown;
	unsigned int n, added = 0;
	int ret;

	if (cr_proc_tids(p->pid, &tids, &n, err) < 0)
		return err->errnum == ENOENT || err->errnum == ESRCH ? 0 : -1;
	grown = realloc(p->threads, (p->n_threads + n) * sizeof(*grown));
	if (!grown)
		return n ? cr_err_sys(err, "out of memory") : 0;
	p->threads = grown;
	for (unsigned int i = 0; i < n; i++) {
		if (!mark(t, tids[i]))
			continue;
		ret = cr_tracee_seize(&p->threads[p->n_threads], p->pid, tids[i], err);
		if (ret < 0)
			return -1;
		added++;
		if (ret == 0)
			p->n_threads++;
		else if (tids[i] == p->pid)
			p->dead_leader = true;
		cr_fault("seize");
	}
	return (int)added;
}

static int find_children(struct cr_tree *t, struct cr_process *p, struct cr_err *err)
{
	cr_auto_free pid_t *kids = NULL;
	unsigned int n, added = 0;

	if (cr_proc_children(p->pid, &kids, &n, err) < 0)
		return err->errnum == ENOENT || err->errnum == ESRCH ? 0 : -1;
	for (unsigned int i = 0; i < n; i++) {
		/* The leader's bit is set when its threads are seized. */
		if (t->seen[kids[i] >> 3] & 1u << (kids[i] & 7) || cr_tree_find(t, kids[i]))
			continue;
		if (add_process(t, kids[i], p->pid, err) < 0)
			return -1;
		added++;
	}
	return (int)added;
}

static int wait_stop(struct cr_tracee *th, struct cr_err *err)
{
	if (cr_tracee_wait_stop(th, err) >= 0)
		return 0;
	if (err->errnum != EINTR)
		return -1;
	return cr_err_set(err, CR_SYSTEM,
			  "pid %d: thread %d does not stop in time; it is let go "
			  "(a vfork parent, or uninterruptible?)",
			  (int)th->pid, (int)th->tid);
}

static int wait_all(struct cr_tree *t, struct cr_err *err)
{
	for (unsigned int i = 0; i < t->count; i++) {
		struct cr_process *p = t->procs[i];

		for (unsigned int k = 0; k < p->n_threads; k++) {
			if (p->threads[k].state != CR_TRACEE_RUNNING)
				continue;
			if (wait_stop(&p->threads[k], err) < 0)
				return -1;
			cr_fault("stopped");
		}
	}
	return 0;
}

/* Threads that ended before they stopped are forgotten. */
static void drop_gone(struct cr_process *p)
{
	unsigned int kept = 0;

	for (unsigned int k = 0; k < p->n_threads; k++) {
		if (p->threads[k].state == CR_TRACEE_GONE && p->threads[k].tid == p->pid)
			p->dead_leader = true;
		if (p->threads[k].state != CR_TRACEE_GONE)
			p->threads[kept++] = p->threads[k];
	}
	p->n_threads = kept;
}

static int freeze_pass(struct cr_tree *t, bool recurse, struct cr_err *err)
{
	int added = 0, n;

	for (unsigned int i = 0; i < t->count; i++) {
		n = seize_threads(t, t->procs[i], err);
		if (n < 0)
			return -1;
		added += n;
		n = recurse ? find_children(t, t->procs[i], err) : 0;
		if (n < 0)
			return -1;
		added += n;
	}
	return wait_all(t, err) < 0 ? -1 : added;
}

static int settle_processes(struct cr_tree *t, struct cr_err *err)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < t->count; i++) {
		struct cr_process *p = t->procs[i];
		struct cr_proc_stat st;

		drop_gone(p);
		for (unsigned int k = 0; k < p->n_threads; k++)
			if (cr_tracee_save(&p->threads[k], err) < 0)
				return -1;
		if (p->n_threads == 0) {
			/* A zombie, or reaped while we looked. */
			if (cr_proc_stat(p->pid, &st, err) < 0 || st.state == 'X') {
				free(p->threads);
				free(p);
				continue;
			}
			p->zombie = true;
		}
		t->procs[kept++] = p;
	}
	t->count = kept;
	return 0;
}

static volatile sig_atomic_t timed_out;

static void on_alarm(int sig)
{
	(void)sig;
	timed_out = 1;
}

static void arm(unsigned int ms)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	/* Repeats, in case that the first comes just before the wait. */
	struct itimerval it = { { 0, 10000 }, { ms / 1000, (long)(ms % 1000) * 1000 } };

	timed_out = 0;
	if (!ms)
		it.it_interval.tv_usec = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

static int try_freeze(struct cr_tree *t, pid_t root, bool recurse, struct cr_err *err)
{
	int added;

	if (add_process(t, root, 0, err) < 0)
		return -1;
	do {
		added = freeze_pass(t, recurse, err);
		if (added < 0)
			return -1;
	} while (added);
	if (settle_processes(t, err) < 0)
		return -1;
	if (t->count == 0 || t->procs[0]->pid != root)
		return cr_err_set(err, CR_REFUSED, "pid %d: no such process", (int)root);
	if (t->procs[0]->zombie)
		return cr_err_set(err, CR_REFUSED, "pid %d: it has ended already (a zombie)",
				  (int)root);
	return 0;
}

static void clear(struct cr_tree *t)
{
	for (unsigned int i = 0; i < t->count; i++) {
		free(t->procs[i]->threads);
		free(t->procs[i]);
	}
	t->count = 0;
	memset(t->seen, 0, PID_LIMIT / 8);
}

int cr_tree_freeze(pid_t root, bool recurse, unsigned int timeout_ms, struct cr_tree **out,
		   struct cr_err *err)
{
	struct cr_tree *t = calloc(1, sizeof(*t));
	int ret;

	*out = NULL;
	if (!t)
		return cr_err_sys(err, "out of memory");
	t->seen = calloc(1, PID_LIMIT / 8 + 1);
	if (!t->seen) {
		free(t);
		return cr_err_sys(err, "out of memory");
	}
	t->began_ns = cr_now_ns();
	arm(timeout_ms);
	ret = try_freeze(t, root, recurse, err);
	arm(0);
	if (ret < 0) {
		cr_tree_thaw(t);
		cr_tree_free(t);
		return -1;
	}
	t->frozen_ns = cr_now_ns();
	*out = t;
	return 0;
}

struct cr_process *cr_tree_find(const struct cr_tree *t, pid_t pid)
{
	for (unsigned int i = 0; i < t->count; i++)
		if (t->procs[i]->pid == pid)
			return t->procs[i];
	return NULL;
}

/* A thread that never stopped must not keep a pending interrupt. */
static void let_go(struct cr_tracee *th)
{
	struct cr_err ignored;

	if (th->state == CR_TRACEE_RUNNING && !th->changed)
		while (cr_tracee_wait_stop(th, &ignored) < 0 && ignored.errnum == EINTR)
			;
	cr_tracee_detach(th);
}

void cr_tree_thaw(struct cr_tree *t)
{
	struct cr_err ignored;

	for (unsigned int i = 0; i < t->count; i++)
		if (t->procs[i]->agent)
			cr_agent_evict(t->procs[i]->agent);
	/* All are whole again before the first one runs. */
	for (unsigned int i = 0; i < t->count; i++)
		for (unsigned int k = 0; k < t->procs[i]->n_threads; k++)
			if (cr_tracee_restore(&t->procs[i]->threads[k], &ignored) < 0)
				t->procs[i]->threads[k].changed = true;
	cr_fault("thaw");
	for (unsigned int i = 0; i < t->count; i++)
		for (unsigned int k = 0; k < t->procs[i]->n_threads; k++) {
			let_go(&t->procs[i]->threads[k]);
			cr_fault("detached");
		}
	t->ended_ns = cr_now_ns();
}

void cr_tree_free(struct cr_tree *t)
{
	if (!t)
		return;
	clear(t);
	free(t->procs);
	free(t->seen);
	free(t);
}

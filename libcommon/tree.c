/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch.h"
#include "fault.h"
#include "inject.h"
#include "proc.h"
#include "tree-freeze.h"

#define PROC_FLAGS 9 /* proc_pid_stat(5) */
#define PF_IO_WORKER 0x10u /* 5.12 */
#define PF_USER_WORKER 0x4000u /* 6.4 */
#define STOP_LOOKS 200
#define LINGER_MS 100

/* The same error every time, so that no attempt to put it back is missed. */
static void restore_all(struct cr_tree *t)
{
	struct cr_err ignored;

	for (unsigned int i = 0; i < t->count; i++)
		if (t->procs[i]->agent)
			cr_agent_evict(t->procs[i]->agent);
	/* All are whole again before the first one runs. */
	for (unsigned int i = 0; i < t->count; i++)
		for (unsigned int k = 0; k < t->procs[i]->n_threads; k++) {
			struct cr_tracee *th = &t->procs[i]->threads[k];

			if (th->state != CR_TRACEE_GONE && cr_tracee_restore(th, &ignored) < 0)
				th->leaves = true;
		}
	cr_fault("thaw");
	if (t->detaching)
		t->detaching(t->detaching_ctx);
}

static void detach_all(struct cr_tree *t)
{
	for (unsigned int i = 0; i < t->count; i++)
		for (unsigned int k = 0; k < t->procs[i]->n_threads + t->procs[i]->n_workers; k++) {
			cr_tracee_detach(&t->procs[i]->threads[k]);
			cr_fault("detached");
		}
}

/*
 * Threads that had not stopped: now that the others run, most of them do.
 * The rest is let go by the kernel when this program exits.
 */
static void detach_late(struct cr_tree *t)
{
	uint64_t until = cr_now_ns() + LINGER_MS * 1000000ull;
	struct cr_err ignored;

	for (unsigned int i = 0; i < t->count; i++)
		for (unsigned int k = 0; k < t->procs[i]->n_threads; k++) {
			struct cr_tracee *th = &t->procs[i]->threads[k];

			if (th->state != CR_TRACEE_RUNNING || th->changed)
				continue;
			if (cr_tracee_wait_stop(th, until, &ignored) == 0 &&
			    cr_tracee_save(th, &ignored) == 0)
				cr_tracee_detach(th);
		}
}

void cr_tree_thaw(struct cr_tree *t)
{
	restore_all(t);
	detach_all(t);
	detach_late(t);
	t->ended_ns = cr_now_ns();
}

/*
 * The stop has begun for the whole process when one thread of it has taken the
 * signal; the others, still held, then stop without running.
 */
static void stop_process(struct cr_process *p)
{
	struct cr_proc_stat st;
	struct cr_err ignored;

	if (p->zombie || !p->n_threads)
		return;
	cr_tracee_detach(&p->threads[0]);
	for (int i = 0; i < STOP_LOOKS; i++) {
		if (cr_proc_stat(p->threads[0].tid, &st, &ignored) < 0 || st.state == 'T')
			return;
		usleep(i < STOP_LOOKS / 2 ? 20 : 1000);
	}
}

void cr_tree_thaw_stopped(struct cr_tree *t)
{
	restore_all(t);
	for (unsigned int i = 0; i < t->count; i++)
		if (!t->procs[i]->zombie)
			kill(t->procs[i]->pid, SIGSTOP);
	for (unsigned int i = 0; i < t->count; i++)
		stop_process(t->procs[i]);
	detach_all(t);
	t->ended_ns = cr_now_ns();
}

/* Such a thread has never been in user mode: it has no registers. */
static bool is_worker(const struct cr_tracee *th)
{
	struct cr_proc_stat st;
	struct cr_err ignored;

	return cr_arch_instruction_pointer(&th->regs) == 0 &&
	       cr_proc_stat(th->tid, &st, &ignored) == 0 &&
	       st.field[PROC_FLAGS] & (PF_IO_WORKER | PF_USER_WORKER);
}

void tree_set_workers_aside(struct cr_process *p)
{
	unsigned int n = p->n_threads;

	for (unsigned int k = 0; k < n;) {
		struct cr_tracee worker = p->threads[k];

		if (!is_worker(&worker)) {
			k++;
			continue;
		}
		memmove(&p->threads[k], &p->threads[k + 1],
			(p->n_threads + p->n_workers - k - 1) * sizeof(worker));
		p->threads[p->n_threads + p->n_workers - 1] = worker;
		p->n_threads--;
		p->n_workers++;
		n--;
	}
}

struct cr_process *cr_tree_find(const struct cr_tree *t, pid_t pid)
{
	for (unsigned int i = 0; i < t->count; i++)
		if (t->procs[i]->pid == pid)
			return t->procs[i];
	return NULL;
}

void tree_free_process(struct cr_process *p)
{
	for (unsigned int k = 0; k < p->n_threads + p->n_workers; k++)
		cr_tracee_forget_status(&p->threads[k]);
	free(p->threads);
	free(p);
}

void cr_tree_free(struct cr_tree *t)
{
	if (!t)
		return;
	for (unsigned int i = 0; i < t->count; i++)
		tree_free_process(t->procs[i]);
	free(t->procs);
	cr_trace_unblock_sigchld(&t->old_mask);
	free(t);
}

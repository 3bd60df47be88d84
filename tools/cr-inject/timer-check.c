/* SPDX-License-Identifier: MIT */
#include "timer-check.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "timer-clock.h"

#define NS 1000000000ll
#define BUSY_CALLS 16		/* enough to be seen in the CPU time of a thread */

static int left_of(struct cr_session *s, pid_t pid, const Cr__PosixTimer *m, int64_t *left,
		   struct cr_err *err)
{
	int64_t spec[4] = { 0 };
	struct cr_op op = { .nr = SYS_timer_gettime, .arg = { m->id, 0 }, .in_data = 2 };
	uint32_t done;

	if (cr_session_run(s, pid, &op, 1, spec, sizeof(spec), &done, err) < 0)
		return -1;
	*left = spec[2] * NS + spec[3];
	return 0;
}

static int be_busy(struct cr_session *s, pid_t pid, const uint32_t *tid, struct cr_err *err)
{
	struct cr_op ops[BUSY_CALLS] = { 0 };
	uint64_t nothing;

	for (int i = 0; i < BUSY_CALLS; i++)
		ops[i].nr = SYS_getppid;
	return cr_session_run_each(s, pid, tid, 1, ops, BUSY_CALLS, &nothing, sizeof(nothing), err);
}

/*
 * Nothing tells whose CPU time it is.  But all threads stand still: the timer
 * of one that is made to work has less time left afterwards.  Asking makes the
 * agent's own thread work.  0: found, 1: not, -1: error.
 */
static int find_owner(struct cr_session *s, pid_t pid, const uint32_t *tids, size_t n_tids,
		      Cr__PosixTimer *m, struct cr_err *err)
{
	int64_t before, after;

	m->clock = cr_clock_of_thread((int32_t)tids[0]);
	if (n_tids == 1)
		return 0;
	if (left_of(s, pid, m, &before, err) < 0 || left_of(s, pid, m, &after, err) < 0)
		return -1;
	if (after < before)
		return 0;
	for (size_t i = 1; before && i < n_tids; i++) {
		if (be_busy(s, pid, &tids[i], err) < 0 || left_of(s, pid, m, &after, err) < 0)
			return -1;
		m->clock = cr_clock_of_thread((int32_t)tids[i]);
		if (after < before)
			return 0;
	}
	return 1;
}

static bool has(const uint32_t *tids, size_t n, uint32_t tid)
{
	for (size_t i = 0; i < n; i++)
		if (tids[i] == tid)
			return true;
	return false;
}

static bool is_own_thread(int32_t clock)
{
	return clock == CLOCK_THREAD_CPUTIME_ID ||
	       (clock < 0 && cr_clock_is_thread(clock) && !cr_clock_owner(clock));
}

int timer_check(struct cr_stage *st, struct cr_session *s, pid_t pid, const uint32_t *tids,
		size_t n_tids, bool (*in_tree)(const void *ctx, uint32_t pid), const void *ctx,
		struct timers *t, struct cr_err *err)
{
	for (size_t i = 0; i < t->count; i++) {
		Cr__PosixTimer *m = t->list[i];
		const char *what = NULL, *remedy = "";
		char object[32];
		uint32_t owner;
		int found = 0;

		if (is_own_thread(m->clock))
			found = find_owner(s, pid, tids, n_tids, m, err);
		if (found < 0)
			return -1;
		owner = m->clock < 0 ? (uint32_t)cr_clock_owner(m->clock) : 0;
		if (found > 0) {
			what = "counts the CPU time of one of several threads, but is stopped";
			remedy = "let that thread delete it; nothing tells which it is";
		} else if (cr_clock_is_fd(m->clock)) {
			what = "on the clock of a device: not supported";
		} else if (owner && cr_clock_is_thread(m->clock) && !has(tids, n_tids, owner)) {
			what = "counts the CPU time of a thread that has ended";
		} else if (owner && !cr_clock_is_thread(m->clock) && !in_tree(ctx, owner)) {
			what = "counts the CPU time of a process outside of the tree";
		} else if (m->notify & SIGEV_THREAD_ID && !has(tids, n_tids, m->tid)) {
			what = "notifies a thread that has ended";
		}
		snprintf(object, sizeof(object), "timer %u", m->id);
		if (what && cr_stage_refuse(st, pid, object, what, remedy, err) < 0)
			return -1;
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The threads of a task beside the one that makes them.
 *
 * Its agent makes them when the memory is there.  Those that somebody has a
 * descriptor of (a pidfd, a file of /proc/PID/task) must be there before
 * descriptors are opened: such a task makes all of its threads first, and they wait
 * in the agent.
 */
#ifndef THREAD_H
#define THREAD_H

#include "mem.h"
#include "restore.h"
#include "vec.h"

/* What a process prepares to become a task. */
struct body {
	struct agent_place own, *place;
	struct cr_agent_ctl *ctl;
	uint8_t *code;		/* the agent's */
	uint8_t *stack;		/* its top */
	uint64_t *vectors;	/* of each thread, and of a leader that does not stay */
	uint32_t *start;	/* what threads that are made early wait for; NULL: none */
	uint32_t *inside;	/* how many of them have got into the agent */
};

/* The task that has the thread, or NULL. */
struct task_image *thread_task(const struct image *img, uint32_t tid);

/* The first thread that the agent, or this process, has to make. */
static inline unsigned int thread_first(const struct task_image *t)
{
	return t->task->dead_leader ? 0 : 1;
}

/* All of them, now; the restorer hears of it. */
int threads_make_early(struct restore *r, const struct task_image *t, struct body *b,
		       struct cr_err *err) CR_MUST;
/* In the vector, before cr-restore's code goes: none of them is in it any more. */
void threads_await(const struct task_image *t, const struct body *b, struct vec *v);
/* How many tasks do that. */
uint32_t threads_early(const struct restore *r);

/* In the vector of the first thread: make them, or let them start. */
int threads_build(struct restore *r, const struct task_image *t, struct body *b, struct vec *v,
		  struct cr_err *err) CR_MUST;

#endif

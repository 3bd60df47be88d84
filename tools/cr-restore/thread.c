/* SPDX-License-Identifier: MIT */
#include "thread.h"

#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attrs.h"
#include "enter.h"
#include "fault.h"
#include "keys.h"

#define THREAD_STACK 2048ul

struct task_image *thread_task(const struct image *img, uint32_t tid)
{
	struct task_image *t = image_task(img, tid);

	if (t)
		return t;
	for (unsigned int i = 0; i < img->n_tasks; i++)
		for (unsigned int n = 0; n < img->tasks[i].n_threads; n++)
			if (img->tasks[i].task->tids[n] == tid)
				return &img->tasks[i];
	return NULL;
}

/* A thread's own vector, at b->vectors[n]. */
static int build(struct restore *r, const struct task_image *t, unsigned int n, struct body *b,
		 struct cr_err *err)
{
	struct arena *a = &b->place->arena;
	struct cr_vector *vector;
	struct vec v = { 0 };

	keys_open(t, &v);
	if (b->start) {
		vec_op(&v, CR_OP_ADD, LABEL_WAIT, VEC_ARGS(P(b->inside), 1));
		vec_op(&v, CR_OP_WAIT, LABEL_WAIT, VEC_ARGS(P(b->start), 0));
		/* Else it has that of who makes it. */
		vec_sys(&v, LABEL_PRCTL, SYS_personality, t->task->personality);
	}
	if (attrs_thread(r, t, n, b->ctl, &v, a, err) < 0 ||
	    attrs_park(r, t, n, b->ctl, &v, a, err) < 0) {
		free(v.ops);
		return -1;
	}
	vector = vec_finish(&v, a, b->ctl, t->task->tids[n], err);
	b->vectors[n] = (uint64_t)(uintptr_t)vector;
	return vector ? 0 : -1;
}

static struct clone_args *clone_args_of(const struct task_image *t, unsigned int n, struct arena *a,
					struct cr_err *err)
{
	struct clone_args *args = arena_alloc(a, sizeof(*args), err);
	uint32_t *tid = arena_alloc(a, sizeof(*tid), err);
	void *stack = arena_alloc(a, THREAD_STACK, err);

	if (!args || !tid || !stack)
		return NULL;
	*tid = t->task->tids[n];
	args->flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		      CLONE_SYSVSEM;
	args->stack = (uint64_t)(uintptr_t)stack;
	args->stack_size = THREAD_STACK;
	args->set_tid = (uint64_t)(uintptr_t)tid;
	args->set_tid_size = 1;
	return args;
}

/* It runs its vector as if it were the only one. */
static int make_early(const struct task_image *t, unsigned int n, struct body *b,
		      struct cr_err *err)
{
	struct arena *a = &b->place->arena;
	struct clone_args *args = clone_args_of(t, n, a, err);
	struct cr_agent_ctl *ctl = arena_alloc(a, sizeof(*ctl), err);
	void (*agent)(void *) = (void (*)(void *))(uintptr_t)(b->code + cr_agent_entry);

	if (!args || !ctl)
		return -1;
	ctl->mode = CR_AGENT_ONCE;
	ctl->vector = (struct cr_vector *)(uintptr_t)b->vectors[n];
	if (enter_clone(args, sizeof(*args), agent, ctl) < 0)
		return cr_err_sys(err, "unable to make thread %u", t->task->tids[n]);
	cr_fault("thread-early");
	return 0;
}

int threads_make_early(struct restore *r, const struct task_image *t, struct body *b,
		       struct cr_err *err)
{
	b->start = arena_alloc(&b->place->arena, sizeof(*b->start), err);
	b->inside = arena_alloc(&b->place->arena, sizeof(*b->inside), err);
	if (!b->start || !b->inside)
		return -1;
	for (unsigned int n = thread_first(t); n < t->n_threads; n++)
		if (build(r, t, n, b, err) < 0 || make_early(t, n, b, err) < 0)
			return -1;
	__atomic_add_fetch(&r->shared->early, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &r->shared->early, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	return 0;
}

/* The number only grows, and a wait ends when it is another. */
void threads_await(const struct task_image *t, const struct body *b, struct vec *v)
{
	for (unsigned int n = thread_first(t); b->start && n < t->n_threads; n++)
		vec_op(v, CR_OP_WAIT, LABEL_WAIT, VEC_ARGS(P(b->inside), n - thread_first(t)));
}

uint32_t threads_early(const struct restore *r)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < r->img.n_tasks; i++)
		n += r->img.tasks[i].early_threads;
	return n;
}

int threads_build(struct restore *r, const struct task_image *t, struct body *b, struct vec *v,
		  struct cr_err *err)
{
	struct clone_args *args;

	if (b->start) {
		vec_op(v, CR_OP_ADD, LABEL_THREAD, VEC_ARGS(P(b->start), 1));
		return 0;
	}
	for (unsigned int n = thread_first(t); n < t->n_threads; n++) {
		args = clone_args_of(t, n, &b->place->arena, err);
		if (!args || build(r, t, n, b, err) < 0)
			return -1;
		vec_op(v, CR_OP_THREAD, LABEL_THREAD,
		       VEC_ARGS(P(args), sizeof(*args), (int64_t)b->vectors[n]))
			->expect = CR_EXPECT_OK;
	}
	return 0;
}

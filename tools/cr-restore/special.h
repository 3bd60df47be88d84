/* SPDX-License-Identifier: MIT */
/* What prctl(2), arch_prctl(2) and set_mempolicy(2) have set. */
#ifndef SPECIAL_H
#define SPECIAL_H

#include "restore.h"
#include "vec.h"

int special_check(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;

/* Of the process: what files of its own in /proc take, by ordinary code. */
int special_write(const struct task_image *t, struct cr_err *err) CR_MUST;

/* mbind(2), when its memory is built. */
int special_memory(const struct task_image *t, struct vec *v, struct arena *a,
		   struct cr_err *err) CR_MUST;

/* Of the process, when its memory is built and it has all rights. */
void special_process(const struct task_image *t, struct vec *v);

/* Of a thread, while it has all rights. */
int special_thread(const struct task_image *t, unsigned int n, struct vec *v, struct arena *a,
		   struct cr_err *err) CR_MUST;

/* What would hinder the agent, by the tracer of the stopped thread. */
int special_traced(const struct task_image *t, unsigned int n, pid_t tid,
		   struct cr_err *err) CR_MUST;

#endif

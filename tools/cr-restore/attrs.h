/* SPDX-License-Identifier: MIT */
/*
 * What a thread and its process have besides memory and descriptors: the part
 * of a vector that sets signals, credentials, limits, names and so on.
 */
#ifndef ATTRS_H
#define ATTRS_H

#include "restore.h"
#include "vec.h"

/* Read our own limits; again when they have changed. */
int attrs_own_limits(struct restore *r, struct cr_err *err) CR_MUST;

int attrs_check(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;

/* Of the process, by its first thread and while it still has all rights. */
/* Part of attrs_process(), but of who shares handlers: before they are set. */
int attrs_forget_sigchld(struct vec *v, struct arena *a, struct cr_err *err) CR_MUST;
int attrs_process(struct restore *r, const struct task_image *t, struct vec *v, struct arena *a,
		  struct cr_err *err) CR_MUST;

/* Of thread @n of the task, by itself; with @last what must come after the
 * credentials. */
int attrs_thread(struct restore *r, const struct task_image *t, unsigned int n,
		 struct cr_agent_ctl *ctl, struct vec *v, struct arena *a,
		 struct cr_err *err) CR_MUST;

/* Does the thread have something that must be done after all have arrived
 * (timers, the call that it sleeps in)? */
bool attrs_is_late(const struct task_image *t, unsigned int n);

/* That, and the operation that it ends in. */
int attrs_park(struct restore *r, const struct task_image *t, unsigned int n,
	       struct cr_agent_ctl *ctl, struct vec *v, struct arena *a,
	       struct cr_err *err) CR_MUST;

/* creds.c */
/* Does a thread get credentials that are not ours? */
bool creds_differ(const struct task_image *t);
int creds_check(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;
int creds_build(struct restore *r, const Cr__Creds *c, uint32_t securebits, struct vec *v,
		struct arena *a, struct cr_err *err) CR_MUST;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * --freeze-cgroup: nothing in a cgroup runs while the threads of the tree are
 * being seized.  Both freezers will do: cgroup.freeze of v2 (5.2) and
 * freezer.state of v1.
 *
 * cgroup_open() looks whether all is well and changes nothing.
 * cgroup_hold() freezes the cgroup and starts a watcher, a process that puts
 * the cgroup back when this one is killed.  Once every thread is seized,
 * cgroup_let_go() thaws it, and the threads stop for their tracer before they
 * run.  cgroup_end() gives it the state that it had before; a cgroup that was
 * frozen already is frozen again before its tasks are detached.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include <sys/types.h>

#include "err.h"

struct cgroup;

/* @root must be in it, this program must not. */
int cgroup_open(const char *path, pid_t root, struct cgroup **out, struct cr_err *err) CR_MUST;

/* @timeout_ms 0: none. */
int cgroup_hold(struct cgroup *g, unsigned int timeout_ms, struct cr_err *err) CR_MUST;
int cgroup_let_go(struct cgroup *g, struct cr_err *err) CR_MUST;

/* Give it the state that it had.  The first does that only, and may be called
 * before the second, which also frees it; NULL will do. */
void cgroup_put_back(struct cgroup *g);
void cgroup_end(struct cgroup *g);

#endif

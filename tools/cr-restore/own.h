/* SPDX-License-Identifier: MIT */
/*
 * What a process has from who made it, and so from who called cr-restore: signals
 * that are ignored, settings of prctl(2), a memory policy: what the image says is
 * set elsewhere, here what it does not say is taken back.  oom_score_adj and
 * coredump_filter, which every process has, are set here.
 */
#ifndef OWN_H
#define OWN_H

#include "restore.h"

/* Look at our own process, before anything is made. */
int own_read(struct own *own, struct cr_err *err) CR_MUST;

/* In a process that is to become the task, before its memory and its threads are
 * made: nothing is called for what we do not have ourselves. */
int own_cast_off(const struct own *own, const struct task_image *t, struct cr_err *err) CR_MUST;

/* A file of our own in /proc; -1 with errno. */
int own_write(const char *path, const char *text);

/* Give the signal its default action; SIGKILL and SIGSTOP have no other. */
int own_by_default(int sig);

#endif

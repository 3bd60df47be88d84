/* SPDX-License-Identifier: MIT */
/*
 * Tasks that share memory (CLONE_VM, see mates.h), a descriptor table
 * (CLONE_FILES) or working directory, root and umask (CLONE_FS).  They are born with it in common (family.h); the first
 * of them, the owner, fills it, and the others wait until it has.
 *
 * A table in common lasts to the end: whoever has it must not take away the
 * restore's own descriptors before all tasks have arrived.
 */
#ifndef SHARE_H
#define SHARE_H

#include "restore.h"

/* The task whose memory it has: its own, mostly. */
static inline const struct task_image *share_owner(const struct task_image *t)
{
	return t->share_vm ? t->share_vm : t;
}

/* Does another task have its memory? */
static inline bool share_has_memory(const struct task_image *t)
{
	return share_owner(t)->n_vm_users != 0;
}

/* Of those that have its memory, is it the last in the order of the tasks? */
static inline bool share_is_last(const struct task_image *t)
{
	return !share_has_memory(t) || share_owner(t)->last_vm_user == t;
}

/* Set what the tasks share. */
int share_link(struct image *img, struct cr_err *err) CR_MUST;

/* Is its descriptor table another task's as well? */
bool share_has_table(const struct task_image *t);

/* Before the owner fills its table: nobody has a descriptor of the moment in it, whose
 * number would be another's when he closes it. */
int share_files_begin(struct restore *r, const struct task_image *t) CR_MUST;

/* The owner's table is filled; wait for that. */
void share_files_done(struct restore *r, const struct task_image *t);
int share_files_await(struct restore *r, const struct task_image *t) CR_MUST;

/* It opens no more files by name; the owner waits for all the others. */
int share_fs_opened(struct restore *r, const struct task_image *t) CR_MUST;

/* Until the shared word is at least @value; -1 when the restore has failed. */
int share_await(struct restore *r, uint32_t *word, uint32_t value) CR_MUST;

#endif

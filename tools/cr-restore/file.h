/* SPDX-License-Identifier: MIT */
/*
 * Kinds of open file descriptions.  One file a kind implements a struct
 * file_ops; the table of all of them is in file.c.
 *
 * Calling sequence.  Before anything exists, ->check() for every description:
 * it looks only, and names what is wrong with refuse() (restore.h).  Then the
 * restorer calls ->open() for the descriptions that more than one process
 * has; its children inherit them.  Each process, in its own turn and with its
 * children already born, calls ->open() for the rest in the order of its
 * descriptor numbers, as root and with the restorer's root directory.  When
 * all its descriptors have their numbers it calls ->late() for each of its
 * descriptions that it opened, or that it is the first user of, and that has
 * one: epoll items, owners, locks.
 *
 * ->open() returns a new descriptor, close-on-exec, that the caller then
 * moves; other descriptors that must live until the end of the restore (the
 * other end of a pipe) are put away with file_stash().
 */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "load.h"

struct restore;
struct task_ctx;

struct file_ops {
	enum cr_kind kind;
	/* Descriptions with the same object (a pipe's ends) are opened in one
	 * place: shared as soon as one of them is.  NULL or 0: none. */
	uint64_t (*object)(const void *msg);
	/* Must it be opened by the restorer, before the tree is there?  NULL: no. */
	bool (*early)(const struct image *img, const struct file_image *f);
	/* The process of the tree, or another one, or the thread that must exist
	 * for ->open(); 0: none.  What another process than it or its parent has,
	 * or several have, is opened when all of them exist.  May be NULL. */
	uint32_t (*of_tree)(const struct image *img, const void *msg);
	/* Id of the @n-th other description that ->late() needs in its process, or
	 * ->open() when it is early; 0 after the last.  May be NULL. */
	uint32_t (*uses)(const void *msg, size_t n);
	/* 0, also after refuse(); -1 on an error.  May be NULL. */
	int (*check)(struct restore *r, const void *msg, struct cr_err *err);
	int (*open)(struct restore *r, const void *msg, struct cr_err *err);
	/* @fd: a number of the description in this process. */
	int (*late)(struct restore *r, const struct task_image *t, const void *msg, int fd,
		    struct cr_err *err);
};

const struct file_ops *file_ops_of(unsigned int kind);

/* Mark what must be opened by the restorer because of ->uses and ->object. */
int file_share_used(struct image *img, struct cr_err *err) CR_MUST;
int file_share_objects(struct image *img, struct cr_err *err) CR_MUST;

int files_check(struct restore *r, struct cr_err *err) CR_MUST;

/* In the restorer, before and after the processes are made: open what is
 * shared. */
int files_open_shared(struct restore *r, struct cr_err *err) CR_MUST;
int files_open_of_tree(struct restore *r, struct cr_err *err) CR_MUST;

/* Of what the restorer opens, one that is needed before its turn: its number. */
int file_open_early(struct restore *r, uint32_t id, struct cr_err *err) CR_MUST;

/* In a task's process: the number of a description that it opened or that the restorer
 * did, which may not be one of the task's; waits for what needs the tree. */
int file_number(struct restore *r, uint32_t id, struct cr_err *err) CR_MUST;

/* In a task's process: make its descriptor table, and only it. */
int files_restore(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;

/*
 * Keep @fd, out of the way of the targets' numbers, close-on-exec, until the
 * process becomes the task.  Closes @fd and returns the new number, or -1.
 */
int file_stash(struct restore *r, int fd, struct cr_err *err) CR_MUST;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The image in memory: every record of manifest.img, decoded and indexed.
 *
 * image_load() reads and decodes all of it, links tasks, threads and open
 * file descriptions, and fails with CR_BAD_INPUT where a reference leads
 * nowhere.  image_free() releases it.  The messages stay where they are for
 * the life of the image, so forked processes use them as well.
 *
 * A record kind that belongs to a task or a thread is one line in the tables
 * of load.c and one pointer here.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "schemas.h"
#include "stream.h"

/* Records of one kind, in stream order. */
struct msg_list {
	void **items;
	unsigned int count;
	unsigned int room;
};

/* A run of pages in a bulk file of the image. */
struct extent {
	uint64_t address;	/* in a shared object: byte offset */
	uint64_t pages;
	uint64_t offset;	/* in the bulk file, bytes */
	uint32_t crc;
	uint32_t bulk;		/* index of the PagesFile record */
	bool borrowed;		/* the bytes, and their checksum, are of other extents */
};

struct extent_list {
	struct extent *list;
	size_t count;
};

struct thread_image {
	const Cr__Thread *thread;
	const Cr__ThreadInside *inside;
};

/* Protection keys of memory, by number; 0 is everybody's. */
struct keys {
	uint16_t given;		/* bit N: pkey_alloc(2) has given it */
	uint8_t exec_only;	/* the kernel has taken it for memory that is only executed */
	uint8_t last;		/* the greatest of all that are used; 0: there are none */
};

struct task_image {
	unsigned int index;
	const Cr__Task *task;
	const Cr__Inside *inside;
	const Cr__Mm *mm;
	const Cr__Fs *fs;
	const Cr__FdTable *fds;
	struct extent_list extents;	/* by address */
	struct thread_image *threads; /* in the order of task->tids */
	unsigned int n_threads;
	struct task_image *parent; /* NULL: the root */
	struct task_image **children;
	struct task_image *share_files; /* whose descriptor table it has; NULL: its own */
	struct task_image *share_fs; /* whose working directory, root and umask */
	struct task_image *share_vm; /* whose memory */
	struct task_image *share_sighand; /* whose signal handlers */
	struct task_image *last_vm_user; /* the last one that has its memory; NULL: nobody else */
	unsigned int n_files_users; /* others that have its table */
	unsigned int n_vm_users;
	unsigned int n_fs_users;
	unsigned int n_children;
	struct keys keys;	/* of its own memory: see keys.h */
	bool early_threads;	/* somebody has a descriptor of one: see thread.h */
};

/* An open file description: a record of a kind in the table of file.c. */
struct file_image {
	uint32_t id;
	uint16_t kind;
	void *msg;
	unsigned int first_user; /* index of the first task that has it, plus 1 */
	bool shared; /* more than one process has it */
	int fd; /* the restorer's or the process's, -1 */
};

struct image {
	Cr__Header *header;
	struct task_image *tasks; /* a parent before its children */
	unsigned int n_tasks;
	struct file_image *files; /* sorted by id */
	unsigned int n_files;
	uint32_t *pages_bulk;		/* of each Pages record, in the order of kinds[] */
	struct owned_pages *owned;	/* the Pages records by whose they are */
	struct msg_list kinds[256]; /* all records, by kind */
	struct cr_bump memory; /* of all messages: read-only, shared with what is forked */
};

int image_load(int dirfd, const char *dir, struct image *img, struct cr_err *err) CR_MUST;
void image_free(struct image *img);

/* The extents of the records of a task (@shmem 0) or a shared object, sorted
 * by address; malloc'ed. */
int image_extents(const struct image *img, uint32_t pid, uint32_t shmem, struct extent_list *out,
		  struct cr_err *err) CR_MUST;

struct task_image *image_task(const struct image *img, uint32_t pid);
struct file_image *image_file(const struct image *img, uint32_t id);

static inline bool task_is_zombie(const struct task_image *t)
{
	return t->task->state == CR__TASK_STATE__ZOMBIE;
}

#endif

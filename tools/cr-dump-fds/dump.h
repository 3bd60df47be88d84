/* SPDX-License-Identifier: MIT */
/*
 * The dump of descriptors: processes, their tables, and open file
 * descriptions.
 *
 * For each Task, table_dump() reads the process's descriptors (scan.h), finds
 * for each the struct file it refers to (files.h) and gives a new one to the
 * first entry of the table of kinds that matches it, which emits its record.
 * What a kind cannot say before the whole tree is seen, it says in its
 * late() for a description that it has deferred, and in its finish().
 *
 * A kind lives in the file of its name and is registered in kinds.c, nowhere
 * else.
 */
#ifndef DUMP_H
#define DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "map.h"
#include "opt.h"
#include "stage.h"

/* One descriptor. */
struct entry {
	int fd;
	bool cloexec;
	struct file *file;
};

/* A frozen process; kept to the end for the kinds' finish(). */
struct process {
	pid_t pid;		/* or a thread's, when the leader is dead: where to look */
	pid_t task;		/* as the records have it */
	int pidfd;
	int fd_dir;		/* /proc/PID/fd */
	struct entry *table;	/* by number */
	unsigned int n_table;
	const struct file *carrier;	/* no process of the tree, see flight.h */
	struct process *same;	/* it shares that one's table (CLONE_FILES) */
	struct process *same_fs;	/* ... working directory (CLONE_FS) */
	bool fs_done;
	bool shares_vm;		/* it shares its memory with another one */
};

/* An open file description. */
struct file {
	uint32_t id;
	struct process *proc;	/* where it was first seen */
	int fd;
	uint32_t flags;		/* O_*, without O_CLOEXEC */
	uint64_t pos;
	uint32_t mnt_id;
	uint64_t ino;
	uint64_t identity;	/* see kernel-table.h; 0: not known */
	dev_t plain_dev;	/* not 0: a regular file on it without owner, locks, hint */
	uint32_t write_hint;	/* F_GET_RW_HINT, of a regular file */
	bool found;		/* .sb is of what its path leads to, which is the file */
	char *target;		/* what /proc/PID/fd/N says */
	char *info;		/* text of fdinfo; after dump() only when deferred */
	bool deferred;		/* set by dump(), or there is none: call late() */
	int own;		/* a descriptor of ours for it during dump(), else -1 */
	bool locks_seen;
	const struct file_kind *kind;
	bool has_stat;
	struct stat sb;		/* of one that has a path; see file_stat() */
};

struct dump;

struct options {
	const char *dir;
	uint64_t ghost_limit;
	bool embed;		/* carry a copy of every open file */
	bool file_locks;
	bool orphan_pts_master;
	bool link_remap;
	const char *inotify_events;
	bool drop_inotify_events;
	struct cr_opt_list external;
};

struct file_kind {
	const char *name;
	/* The first match in the table decides. */
	bool (*match)(const struct file *f);
	/* NULL: nothing to do before late(). */
	int (*dump)(struct dump *d, struct file *f, struct cr_err *err);
	/* All processes have been seen; both may be NULL. */
	int (*late)(struct dump *d, struct file *f, struct cr_err *err);
	int (*finish)(struct dump *d, struct cr_err *err);
};

extern const struct file_kind *const file_kinds[];	/* ends with NULL */

#define MAX_KINDS 64

/* A session that has a terminal and is led from inside of the tree, or the
 * one that the root is in. */
struct session {
	pid_t sid;
	bool outside;
	unsigned int tty_nr;
	pid_t tpgid;
	struct session *next;
};

struct dump {
	struct cr_stage *st;
	struct files *files;
	struct kernel_table *kernel;	/* NULL: descriptors are read from /proc */
	bool kernel_used;
	struct kernel_peek *peek;	/* see dump_peek() */
	bool no_peek;
	struct process **procs;		/* in the order of their Task records */
	unsigned int n_procs;
	struct file **all;		/* descriptions by id - 1 */
	uint32_t n_all;
	struct map tids;		/* threads of the tree, zombies too; to their Task's pid */
	uint64_t n_descriptors;
	uint32_t n_pipes;		/* ids of PipeData records */
	struct owner *owners;		/* see owner.h */
	struct session *sessions;
	struct terminal *terminals;	/* see terminal.h */
	struct holders *holders;	/* see holder.h */
	struct ghosts *ghosts;		/* see ghosts.h */
	struct sems *sems;		/* see sem.h */
	struct flight *flights;		/* see flight.h */
	struct peek_offset *offset;
	struct map shmems;		/* dump_shmem_key() to id of the stream's Shmem records */
	const struct options *opts;
	int dirfd;			/* of the image, -1 until it is needed */
	void *state[MAX_KINDS];		/* see kind_state() */
};

/* Objects of different sizes of pages are on different file systems of the kernel's. */
static inline uint64_t dump_shmem_key(uint64_t ino, uint32_t huge_shift)
{
	return ino ^ (uint64_t)huge_shift << 56;
}

/* For what only the kernel's memory tells; NULL: not to be had here. */
struct kernel_peek *dump_peek(struct dump *d);

/* A place for what a kind keeps during the dump, NULL at first. */
void **kind_state(struct dump *d, const struct file_kind *kind);

/* Everything of one live process. */
int process_dump(struct dump *d, const Cr__Task *task, struct cr_err *err) CR_MUST;
void process_free(struct process *p);
int table_dump(struct dump *d, struct process *p, struct cr_err *err) CR_MUST;
/* At the end, unless all is plain: a deleted directory must be known to the whole
 * stream, and one of a thread's may be of any process. */
int fs_dump(struct dump *d, struct process *p, bool early, struct cr_err *err) CR_MUST;

/* What descriptor @fd of the process refers to; NULL: it has none. */
struct file *process_file(const struct process *p, int fd);

bool process_has(const struct process *p, const struct file *f);
/* Has more than one process the description? */
bool file_is_shared(const struct dump *d, const struct file *f);

/* The process that thread @tid is of, 0 when it is not of the tree. */
pid_t process_of(const struct dump *d, pid_t tid);

/* Is @path "/proc/42/task/43/stat" or "/proc/43/stat"? */
bool process_of_path(const char *path, pid_t *tid);
/* Why that, or a thread, cannot be opened in time; NULL: it can. */
const char *process_thread_is_late(const struct dump *d, pid_t tid);
const char *process_path_is_late(const struct dump *d, const char *path);
/* Is it one of the tree's? */
bool process_is_zombie(const struct dump *d, pid_t tid);

/* Give a new description its id and to its kind. */
int file_dump(struct dump *d, struct file *f, struct cr_err *err) CR_MUST;
/* What a descriptor is called by: that of a message by its socket's. */
const struct file *file_named(const struct file *f);
/* Everything that had to wait for the end of input. */
int files_finish(struct dump *d, struct cr_err *err) CR_MUST;

/* A descriptor of ours for the description (pidfd_getfd, 5.6). */
int file_get(const struct file *f, struct cr_err *err) CR_MUST;
/* Fill f->sb; once. */
int file_stat(struct file *f, struct cr_err *err) CR_MUST;
/* Text that follows "NAME:" and blanks on a line of fdinfo, or NULL. */
const char *file_info(const struct file *f, const char *name);
/* The same as a number; an error when it is not there. */
int file_info_number(const struct file *f, const char *name, int base, uint64_t *out,
		     struct cr_err *err) CR_MUST;
/* Read f->info again. */
int file_info_again(struct file *f, struct cr_err *err) CR_MUST;
bool file_target_is(const struct file *f, const char *prefix);

/* "pid 42: fd 7: KIND (TARGET): WHAT; REMEDY" */
int file_refuse(struct dump *d, const struct file *f, const char *kind, const char *what,
		const char *remedy, struct cr_err *err) CR_MUST;

#endif

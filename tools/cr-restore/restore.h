/* SPDX-License-Identifier: MIT */
/*
 * What the whole restore knows.  Made by the restorer (cr-restore's main
 * process) and inherited by the processes that become the tasks.
 */
#ifndef RESTORE_H
#define RESTORE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

#include "../../pie/agent.h"
#include "err.h"
#include "family.h"
#include "load.h"
#include "opt.h"

/* One page a process, a helper too, shared between it and the restorer. */
struct slot {
	struct cr_agent_ctl ctl;
	uint32_t pid; /* once it was created, 0 before */
	uint32_t eye; /* of a task whose leader is dead: a thread that lives */
	uint32_t files_quiet; /* others with its table that open nothing before it is filled */
	uint32_t files_done; /* its table, that others share, is filled */
	uint32_t fs_opened; /* others with its directories that open nothing more */
	struct cr_err err; /* of ordinary code, when ctl.failed is set */
	uint64_t self; /* address of this page in the task, once it is in the agent */
	uint64_t insn; /* address of a system call instruction of the agent, for the restorer */
	uint64_t set; /* arguments of calls that the restorer makes there; see stopped.c */
	struct timespec none;
	siginfo_t info;
};

/* The page before the slots. */
struct shared {
	uint32_t steps; /* arrivals at the meetings of family.c */
	uint32_t failed; /* somebody has filled its slot's error */
	uint32_t committed; /* the tree lives without us */
	uint32_t early; /* tasks that have made their threads early */
	uint32_t opened; /* shared descriptions of the tree are there */
};

#define SHARED_PAGE 4096

struct object_fd { /* a Shmem, or a pipe both of whose ends are ours */
	uint32_t id;
	int fd[2];
};

struct inherited { /* --inherit-fd fd[N]:KEY */
	int fd;
	const char *key;
};

struct own_map { /* our own [vdso], [vvar], ... before anything moves */
	uint64_t start, end;
	char name[24];
};
#define OWN_MAPS 8

struct options {
	const char *dir;
	const char *pidfile;
	const char *stats;
	const char *changed_files;
	const char *cgroups;	/* "ignore" or NULL */
	const char *root;
	const char *orphan_pts_master;
	struct cr_opt_list inherit_fds;
	struct cr_opt_list map_paths;
	struct cr_opt_list scripts;
	bool detached;
	bool shell_job;
	bool leave_stopped;
	bool exec_cmd;
	bool sibling;
	bool new_pid_ns;
	bool time_ns;
	unsigned int cpu_caps; /* see cpu.h */
	int status_fd;
	int notify; /* signal for the root, 0: none */
	int notify_fd; /* the root's descriptor to write to, -1: none */
};

struct own { /* what we have from who called us, see own.h */
	uint64_t ignored;	/* signals */
	int oom_score_adj;
	uint32_t coredump_filter;
	bool thp_disable, memory_merge, io_flusher, mce_kill, no_tsc, no_cpuid, mempolicy, altstack;
};

struct restore {
	struct options opts;
	struct image img;
	int dirfd; /* the image directory */
	int fd_base, fd_end; /* our descriptors stand from here to there: numbers.h */
	unsigned int refused; /* what refuse() has named */
	struct cr_family family; /* its births are the tasks, then the helpers */
	uint32_t *ids; /* all pids and tids to be, sorted */
	unsigned int n_ids;
	pid_t outer_pgid; /* our own process group */
	uint8_t *shared_mem;
	struct shared *shared;
	int32_t *tree_fds; /* shared: where the restorer opened them, by index of the file */
	int own_pidfd;
	struct own_map maps[OWN_MAPS];
	struct rlimit limits[RLIM_NLIMITS];	/* our own, which all processes begin with */
	struct own own;
	bool huge_pages;	/* the administrator does not forbid them */
	bool has_borrowed;	/* pages that processes are to share copy-on-write */
	unsigned int n_maps;
	struct object_fd *shmems;
	unsigned int n_shmems;
	struct object_fd *ttys; /* every description of a terminal, by its id */
	unsigned int n_ttys;
	struct inherited *inherited;
	struct object_fd *pipes;
	unsigned int n_pipes;
	struct object_fd *ghosts;
	unsigned int n_ghosts;
	struct place *place;	/* see ghost-place.h */
	bool *embedded;		/* by index of Ghost records: the copy is used */
	struct unix_socks *unix_socks; /* see unix.h */
	struct object_fd *bulk; /* bulk files of the image, by index of PagesFile records */
	unsigned int n_bulk;
};

/* @index of the birth. */
static inline struct slot *slot_at(const struct restore *r, unsigned int index)
{
	return (struct slot *)(r->shared_mem + (size_t)(index + 1) * SHARED_PAGE);
}

static inline struct slot *slot_of(const struct restore *r, const struct task_image *t)
{
	return slot_at(r, t->index);
}

/* Say what keeps the image from being restored here: "pid 42: fd 7: ...". */
void refuse(struct restore *r, uint32_t pid, const char *object, const char *fmt, ...)
	CR_PRINTF(4, 5);

struct object_fd *object_find(struct object_fd *list, unsigned int count, uint32_t id);

#endif

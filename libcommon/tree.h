/* SPDX-License-Identifier: MIT */
/*
 * A frozen process tree: every thread of a process and of its descendants,
 * seized and stopped by the calling thread.
 *
 * cr_tree_freeze() seizes all, interrupts all, then waits, and looks again
 * until nothing new has appeared: what is stopped cannot fork, and what a
 * seized thread brings forth is attached at birth, so this ends.  On an error
 * everything is let go again.
 *
 * cr_tree_thaw() gives every thread its true state back and detaches; it is
 * safe at any time and never fails: what cannot be restored is let go through
 * its exit code.  A thread that never stopped stays attached until the caller
 * exits.
 *
 * Processes stand in such an order that a parent comes before its children.
 */
#ifndef CR_TREE_H
#define CR_TREE_H

#include "err.h"
#include "room.h"
#include "trace.h"

struct cr_agent;

struct cr_process {
	pid_t pid;
	pid_t parent;		/* in the tree, 0 for the root */
	bool zombie;
	bool dead_leader;	/* other threads live on */
	struct cr_tracee *threads;	/* leader first when it lives */
	unsigned int n_threads;
	/* Behind them: the kernel's own, that work for it (io_uring, vhost). */
	unsigned int n_workers;
	struct cr_process *vm_owner;	/* shares its memory with that one, before it; or NULL */
	struct cr_agent *agent;	/* see inject.h */
	struct cr_agent *vm_agent;	/* of an owner: that in its memory, whose ever it is */
	bool vm_lost;		/* the same: an agent there could not be undone */
	uint32_t signals_known;	/* entries of its queue that its owner has read */
	struct cr_room room;	/* as it was when frozen: .at is 0 when there is none */
	bool room_known;
};

/* Whose folder of /proc shows the process's memory, descriptors and so on: of
 * a dead leader there is nothing to see. */
static inline pid_t cr_process_eye(const struct cr_process *p)
{
	return p->n_threads ? p->threads[0].tid : p->pid;
}

struct cr_tree {
	struct cr_process **procs;
	unsigned int count;
	uint64_t began_ns;	/* CLOCK_MONOTONIC: first seize, all stopped, released */
	uint64_t frozen_ns;
	uint64_t ended_ns;
	/* NULL, or called when all is put back and before anything is detached. */
	void (*detaching)(void *ctx);
	void *detaching_ctx;
	sigset_t old_mask;	/* of who froze it: SIGCHLD is blocked meanwhile */
};

/*
 * Refuses the caller itself and its ancestors.  Who is none never becomes one:
 * what has been asked once, cr_tree_freeze() does not ask again.  The @n in
 * @others are known not to descend from @root, which may be among them: who
 * descends from another of them is not looked at further.
 */
int cr_tree_check_caller(pid_t root, const pid_t *others, unsigned int n,
			 struct cr_err *err) CR_MUST;

/*
 * @timeout_ms 0: none.  @recurse false: this process only.
 * Refused: a kernel thread, init, an ancestor of the caller, one that is
 * traced already, and what cannot be stopped in time.
 */
int cr_tree_freeze(pid_t root, bool recurse, unsigned int timeout_ms, struct cr_tree **out,
		   struct cr_err *err) CR_MUST;
/*
 * The same for a tree that does not run: all that there is is seized first,
 * and then, before any thread is waited for, @seized lets it run.
 */
int cr_tree_freeze_held(pid_t root, unsigned int timeout_ms,
			int (*seized)(void *ctx, struct cr_err *err), void *ctx,
			struct cr_tree **out, struct cr_err *err) CR_MUST;

struct cr_process *cr_tree_find(const struct cr_tree *tree, pid_t pid);
void cr_tree_thaw(struct cr_tree *tree);

/* The same, but it comes to rest in the group stop of a SIGSTOP. */
void cr_tree_thaw_stopped(struct cr_tree *tree);

void cr_tree_free(struct cr_tree *tree);

#endif

/* SPDX-License-Identifier: MIT */
#include "become.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attrs.h"
#include "clean.h"
#include "enter.h"
#include "fault.h"
#include "file.h"
#include "keys.h"
#include "lock.h"
#include "mates.h"
#include "mem.h"
#include "own.h"
#include "ref.h"
#include "share.h"
#include "special.h"
#include "thread.h"
#include "timers.h"
#include "zombie.h"

#define AGENT_STACK 8192ul
#define TASK_COMM 16

static void futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void task_fail(struct restore *r, unsigned int index, const struct cr_err *err)
{
	struct slot *s = slot_at(r, index);

	s->err = *err;
	__atomic_store_n(&s->ctl.failed, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&r->shared->failed, 1, __ATOMIC_RELEASE);
	futex_wake(&r->shared->failed);
	futex_wake(&r->shared->steps);
	__atomic_add_fetch(&s->ctl.arrived, 1, __ATOMIC_RELEASE);
	futex_wake(&s->ctl.arrived);
	_exit(CR_AGENT_FAILED);
}

/* Zombie children are zombies before we go on. */
static int await_zombies(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	for (unsigned int i = 0; i < t->n_children; i++) {
		const struct task_image *c = t->children[i];
		int ret = EINTR;

		if (!task_is_zombie(c))
			continue;
		mates_pause();
		while (ret == EINTR)
			ret = mates_wait_child((pid_t)c->task->pid, __WALL, true);
		mates_go_on(r);
		errno = ret;
		if (ret)
			return cr_err_sys(err, "zombie %u", c->task->pid);
	}
	return 0;
}

/* After everything is opened: root, working directory, umask. */
static int set_fs(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	cr_auto_fd int cwd = -1, root = -1;
	struct statx a, b;

	cwd = ref_open(r, t->fs->cwd, O_PATH | O_DIRECTORY, err);
	if (cwd < 0)
		return -1;
	root = ref_open(r, t->fs->root, O_PATH | O_DIRECTORY, err);
	if (root < 0)
		return -1;
	/* The same directory under another mount is another root (5.8). */
	if (statx(root, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &a) < 0 ||
	    statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &b) < 0)
		return cr_err_sys(err, "stat of the root directory");
	if (a.stx_mnt_id != b.stx_mnt_id || a.stx_ino != b.stx_ino)
		if (fchdir(root) < 0 || chroot(".") < 0)
			return cr_err_sys(err, "unable to chroot to %s", t->fs->root->path);
	if (fchdir(cwd) < 0)
		return cr_err_sys(err, "unable to change to %s", t->fs->cwd->path);
	umask((mode_t)t->task->umask);
	return 0;
}

/* A main thread that has ended: its threads go on without it. */
static int end_leader(struct restore *r, const struct task_image *t, struct vec *v, struct arena *a,
		      struct cr_err *err)
{
	char *name = arena_alloc(a, TASK_COMM, err);

	if (!name)
		return -1;
	snprintf(name, TASK_COMM, "%s", t->task->comm);
	vec_sys(v, LABEL_NAME, SYS_prctl, PR_SET_NAME, P(name));
	if (t->task->zombie_creds && creds_build(r, t->task->zombie_creds, 0, v, a, err) < 0)
		return -1;
	/* The kernel would still send it on behalf of the dead. */
	vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_PDEATHSIG, 0);
	vec_sys(v, LABEL_THREAD, SYS_exit, WEXITSTATUS((int)t->task->exit_status));
	return 0;
}

static int build_vector(struct restore *r, const struct task_image *t, struct body *b,
			struct vec *v, struct cr_err *err)
{
	struct arena *a = &b->place->arena;

	keys_open(t, v);
	threads_await(t, b, v);
	if (t->share_sighand && attrs_forget_sigchld(v, a, err) < 0)
		return -1;
	if (!t->share_vm) {
		if (mem_build(r, t, b->place, v, a, err) < 0)
			return -1;
		if (t->n_vm_users)
			mates_release(v);
	} else {
		mates_enter(v);
		if (!share_has_table(t))
			mem_close_own(r, v);
	}
	/* Else see attrs_park(). */
	if ((!share_has_table(t) || t->task->dead_leader) && locks_of_process(r, t, v, a, err) < 0)
		return -1;
	if (attrs_process(r, t, v, a, err) < 0 || threads_build(r, t, b, v, err) < 0)
		return -1;
	if (t->task->dead_leader) {
		if (timers_create(t, v, a, err) < 0 || end_leader(r, t, v, a, err) < 0)
			return -1;
	} else if (attrs_thread(r, t, 0, b->ctl, v, a, err) < 0 ||
		   attrs_park(r, t, 0, b->ctl, v, a, err) < 0) {
		return -1;
	}
	b->ctl->vector = vec_finish(v, a, b->ctl, t->task->pid, err);
	/* The last one is that of a leader which does not stay. */
	b->vectors[t->task->dead_leader ? t->n_threads : 0] = (uint64_t)(uintptr_t)b->ctl->vector;
	return b->ctl->vector ? 0 : -1;
}

static int find_place(struct restore *r, const struct task_image *t, struct body *b,
		      struct cr_err *err)
{
	b->place = &b->own;
	if (t->share_vm) {
		if (mates_await_place(r, &b->place, &b->ctl) < 0)
			_exit(CR_AGENT_FAILED);
		return 0;
	}
	if (mem_place_agent(r, t, b->place, err) < 0)
		return -1;
	b->ctl = (struct cr_agent_ctl *)b->place->ctls;
	return t->n_vm_users ? mates_offer(r, b->place, err) : 0;
}

/* The agent in its place, and what it needs to run. */
static int place_agent(struct restore *r, const struct task_image *t, struct body *b,
		       struct cr_err *err)
{
	struct arena *a;

	if (find_place(r, t, b, err) < 0)
		return -1;
	if (mremap(slot_of(r, t), 0, SHARED_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b->ctl) != b->ctl)
		return cr_err_sys(err, "unable to move the shared page");
	slot_of(r, t)->self = (uint64_t)(uintptr_t)b->ctl;
	a = &b->place->arena;
	b->code = arena_alloc(a, cr_agent_blob_size, err);
	b->stack = arena_alloc(a, AGENT_STACK, err);
	b->vectors = arena_alloc(a, (t->n_threads + 1) * sizeof(*b->vectors), err);
	if (!b->code || !b->stack || !b->vectors)
		return -1;
	memcpy(b->code, cr_agent_blob, cr_agent_blob_size);
	slot_of(r, t)->insn =
		(uint64_t)(uintptr_t)b->code + find_syscall_insn(b->code, cr_agent_blob_size);
	b->stack += AGENT_STACK;
	b->ctl->mode = CR_AGENT_ONCE;
	b->ctl->base = b->place->start;
	b->ctl->end = b->place->end;
	b->ctl->vectors = (uint64_t)(uintptr_t)b->vectors;
	return 0;
}

static int run_agent(struct restore *r, const struct task_image *t, struct body *b,
		     struct cr_err *err)
{
	struct vec v = { 0 };

	if (!b->ctl && place_agent(r, t, b, err) < 0)
		return -1;
	if (build_vector(r, t, b, &v, err) < 0) {
		free(v.ops);
		return -1;
	}
	if (share_fs_opened(r, t) < 0)
		_exit(CR_AGENT_FAILED);
	if (!t->share_fs && set_fs(r, t, err) < 0)
		return -1;
	if (t->n_vm_users && mates_await_all(r, t) < 0)
		_exit(CR_AGENT_FAILED);
	cr_fault("enter-agent");
	mates_pause();
	enter_agent(b->code + cr_agent_entry, b->stack, b->ctl);
}

static int become(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	struct body b = { 0 };

	if (task_is_zombie(t))
		return zombie_die(t, err) < 0 ? cr_err_wrap(err, "pid %u", t->task->pid) : 0;
	/* What threads inherit comes before those that are made early. */
	if (await_zombies(r, t, err) < 0 || own_cast_off(&r->own, t, err) < 0 ||
	    special_write(t, err) < 0 ||
	    (t->early_threads &&
	     (place_agent(r, t, &b, err) < 0 || threads_make_early(r, t, &b, err) < 0)) ||
	    files_restore(r, t, err) < 0 || run_agent(r, t, &b, err) < 0)
		return cr_err_wrap(err, "pid %u", t->task->pid);
	return 0;
}

void task_become(struct restore *r, const struct task_image *t)
{
	struct cr_err err = { 0 };

	become(r, t, &err);
	task_fail(r, t->index, &err);
}

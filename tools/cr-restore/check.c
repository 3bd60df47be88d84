/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "aio.h"
#include "attrs.h"
#include "cgroup.h"
#include "clocks.h"
#include "cpu.h"
#include "dnotify.h"
#include "file.h"
#include "finish.h"
#include "ghost.h"
#include "huge.h"
#include "keys.h"
#include "lock.h"
#include "make-family.h"
#include "mem.h"
#include "msg.h"
#include "notify.h"
#include "proc.h"
#include "ref.h"
#include "session-ring.h"
#include "share.h"
#include "shmem.h"
#include "tty.h"
#include "vdso.h"
#include "zombie.h"

#define DYING_WAIT_MS 5000 /* an init may reap as rarely as once a second */
#define DYING_LOOK_MS 20

void refuse(struct restore *r, uint32_t pid, const char *object, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->refused++;
	if (pid)
		cr_msg("pid %u: %s%s%s", pid, object, object[0] ? ": " : "", text);
	else
		cr_msg("%s%s%s", object, object[0] ? ": " : "", text);
}

struct object_fd *object_find(struct object_fd *list, unsigned int count, uint32_t id)
{
	for (unsigned int i = 0; i < count; i++)
		if (list[i].id == id)
			return &list[i];
	return NULL;
}

static int check_host(struct restore *r, struct cr_err *err)
{
	const Cr__Header *h = r->img.header;
	struct cr_vdso vdso;
	struct utsname un;

	if (uname(&un) < 0)
		return cr_err_sys(err, "uname");
	if (strcmp(un.machine, h->machine) != 0)
		refuse(r, 0, "", "the image is of a %s machine, this is %s", h->machine,
		       un.machine);
	if (h->page_size != (uint32_t)sysconf(_SC_PAGESIZE))
		refuse(r, 0, "", "the image has pages of %u bytes", h->page_size);
	if (cr_vdso_own(&vdso, err) < 0)
		return -1;
	if (h->vdso_digest.len != sizeof(vdso.digest) ||
	    memcmp(h->vdso_digest.data, &vdso.digest, sizeof(vdso.digest)) != 0)
		refuse(r, 0, "",
		       "the image is of kernel %s, whose vDSO differs from that of %s: "
		       "not supported",
		       h->release, un.release);
	return cpu_check(r, err);
}

enum holder { HOLDER_NONE, HOLDER_DIES, HOLDER_LIVES };

static enum holder held_by(pid_t id, char *who, size_t size)
{
	struct cr_proc_stat st;
	struct cr_err ignored;

	/* The probes are free of side effects and much cheaper than /proc. */
	if (syscall(SYS_tkill, id, 0) < 0 && errno == ESRCH) {
		if (kill(-id, 0) < 0 && errno == ESRCH)
			return HOLDER_NONE;
		/* Of zombies, perhaps, like those of a tree that has just died. */
		snprintf(who, size, "a process group");
		return HOLDER_DIES;
	}
	if (cr_proc_stat(id, &st, &ignored) < 0)
		return HOLDER_NONE;
	snprintf(who, size, "'%s'%s", st.comm, st.state == 'Z' ? ", a zombie" : "");
	return cr_proc_is_dying(&st) ? HOLDER_DIES : HOLDER_LIVES;
}

static void check_id(struct restore *r, uint32_t owner, pid_t id, const char *what,
		     unsigned int *wait_ms)
{
	struct timespec tick = { 0, DYING_LOOK_MS * 1000000l };
	char who[96] = "";
	enum holder h;

	while ((h = held_by(id, who, sizeof(who))) == HOLDER_DIES && *wait_ms >= DYING_LOOK_MS) {
		nanosleep(&tick, NULL);
		*wait_ms -= DYING_LOOK_MS;
	}
	if (h == HOLDER_NONE)
		return;
	if ((uint32_t)id == owner)
		refuse(r, owner, "", "the pid is taken by %s", who);
	else
		refuse(r, owner, "", "the id %d of its %s is taken by %s", (int)id, what, who);
}

static const char *const id_names[] = {
	[CR_BIRTH_TASK] = "task",
	[CR_BIRTH_SESSION] = "session",
	[CR_BIRTH_GROUP] = "process group",
};

static void check_ids(struct restore *r)
{
	unsigned int wait_ms = DYING_WAIT_MS; /* in all */

	for (unsigned int i = 0; i < r->family.count; i++) {
		const struct cr_birth *b = &r->family.births[i];
		uint32_t owner = r->img.tasks[b->parent < 0 ? 0 : b->parent].task->pid;

		if (b->kind == CR_BIRTH_TASK)
			owner = (uint32_t)b->pid;
		if (b->pid)
			check_id(r, owner, b->pid, id_names[b->kind], &wait_ms);
	}
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		for (unsigned int n = 0; n < t->n_threads; n++)
			if (t->task->tids[n] != t->task->pid)
				check_id(r, t->task->pid, (pid_t)t->task->tids[n], "thread",
					 &wait_ms);
	}
}

static int check_directories(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	if (!t->fs->cwd || !t->fs->root)
		return cr_err_set(err, CR_BAD_INPUT, "pid %u: no working directory", t->task->pid);
	if (ref_check(r, t->task->pid, t->fs->cwd, CR_FILEREF_ANY, err) < 0)
		return -1;
	return ref_check(r, t->task->pid, t->fs->root, CR_FILEREF_ANY, err);
}

static int check_task(struct restore *r, struct task_image *t, struct cr_err *err)
{
	if (task_is_zombie(t))
		return zombie_check(r, t, err);
	if (!t->share_fs && check_directories(r, t, err) < 0)
		return -1;
	if (!t->share_vm && (mem_check(r, t, err) < 0 || keys_check(r, t, err) < 0))
		return -1;
	if (t->early_threads && share_has_memory(t))
		return cr_err_set(err, CR_BAD_INPUT,
				  "pid %u: a descriptor of a thread, and its memory is shared",
				  t->task->pid);
	return attrs_check(r, t, err);
}

int check_all(struct restore *r, struct cr_err *err)
{
	if (check_host(r, err) < 0 || family_check(r, err) < 0)
		return -1;
	/* First: who dies gives up its files, locks and names. */
	check_ids(r);
	if (files_check(r, err) < 0 || shmems_check(r, err) < 0 || aio_check(r, err) < 0 ||
	    ghosts_check(r, err) < 0 || ttys_check(r, err) < 0 || dnotify_check(r, err) < 0 ||
	    finish_check(r, err) < 0)
		return -1;
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		if (check_task(r, &r->img.tasks[i], err) < 0)
			return -1;
	}
	if (cgroups_check(r, err) < 0)
		return -1;
	session_rings_check(r);
	locks_check(r);
	notify_check(r);
	clocks_check(r);
	/* What is in the way may have the pages that are missed. */
	if (!r->refused && huge_check_free(r, err) < 0)
		return -1;
	if (r->refused)
		return cr_err_set(err, CR_REFUSED, "%s: %u thing%s in the way; nothing was changed",
				  r->opts.dir, r->refused, r->refused == 1 ? " is" : "s are");
	return 0;
}

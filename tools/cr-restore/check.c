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

#include "attrs.h"
#include "cpu.h"
#include "file.h"
#include "finish.h"
#include "ghost.h"
#include "mem.h"
#include "msg.h"
#include "proc.h"
#include "ref.h"
#include "shmem.h"
#include "vdso.h"

#define ZOMBIE_WAIT_MS 5000 /* an init may reap as rarely as once a second */
#define ZOMBIE_LOOK_MS 20

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

enum holder { HOLDER_NONE, HOLDER_ZOMBIE, HOLDER_LIVES };

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
		return HOLDER_ZOMBIE;
	}
	if (cr_proc_stat(id, &st, &ignored) < 0)
		return HOLDER_NONE;
	snprintf(who, size, "'%s'%s", st.comm, st.state == 'Z' ? ", a zombie" : "");
	return st.state == 'Z' ? HOLDER_ZOMBIE : HOLDER_LIVES;
}

static void check_id(struct restore *r, uint32_t pid, uint32_t id, unsigned int *wait_ms)
{
	struct timespec tick = { 0, ZOMBIE_LOOK_MS * 1000000l };
	char who[96] = "";
	enum holder h;

	while ((h = held_by((pid_t)id, who, sizeof(who))) == HOLDER_ZOMBIE &&
	       *wait_ms >= ZOMBIE_LOOK_MS) {
		nanosleep(&tick, NULL);
		*wait_ms -= ZOMBIE_LOOK_MS;
	}
	if (h == HOLDER_NONE)
		return;
	if (id == pid)
		refuse(r, pid, "", "the pid is taken by %s", who);
	else
		refuse(r, pid, "", "the thread id %u is taken by %s", id, who);
}

static void check_ids(struct restore *r)
{
	unsigned int wait_ms = ZOMBIE_WAIT_MS; /* in all */

	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		check_id(r, t->task->pid, t->task->pid, &wait_ms);
		for (unsigned int n = 0; n < t->n_threads; n++)
			if (t->task->tids[n] != t->task->pid)
				check_id(r, t->task->pid, t->task->tids[n], &wait_ms);
	}
}

static int check_task(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	if (task_is_zombie(t))
		return 0;
	if (!t->fs->cwd || !t->fs->root)
		return cr_err_set(err, CR_BAD_INPUT, "pid %u: no working directory", t->task->pid);
	if (ref_check(r, t->task->pid, t->fs->cwd, CR_FILEREF_ANY, err) < 0 ||
	    ref_check(r, t->task->pid, t->fs->root, CR_FILEREF_ANY, err) < 0 ||
	    mem_check(r, t, err) < 0)
		return -1;
	return attrs_check(r, t, err);
}

/* Sessions and groups that we cannot make. */
static void check_family(struct restore *r, const struct task_image *t)
{
	const struct task_image *root = &r->img.tasks[0];
	const uint32_t own[2] = { t->task->sid, t->task->pgid };
	const uint32_t of_root[2] = { root->task->sid, root->task->pgid };
	static const char *const what[2] = { "session", "process group" };

	for (int i = 0; i < 2; i++) {
		if (image_task(&r->img, own[i]))
			continue;
		if (!r->opts.shell_job)
			refuse(r, t->task->pid, "",
			       "its %s %u is led from outside of the tree; "
			       "use --shell-job",
			       what[i], own[i]);
		else if (own[i] != of_root[i])
			refuse(r, t->task->pid, "", "its %s %u has no leader in the tree", what[i],
			       own[i]);
		if (i == 0)
			return;
	}
}

int check_all(struct restore *r, struct cr_err *err)
{
	if (check_host(r, err) < 0 || files_check(r, err) < 0 || shmems_check(r, err) < 0 ||
	    ghosts_check(r, err) < 0 || finish_check(r, err) < 0)
		return -1;
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		check_family(r, &r->img.tasks[i]);
		if (check_task(r, &r->img.tasks[i], err) < 0)
			return -1;
	}
	check_ids(r);
	if (r->refused)
		return cr_err_set(err, CR_REFUSED, "%s: %u thing%s in the way; nothing was changed",
				  r->opts.dir, r->refused, r->refused == 1 ? " is" : "s are");
	return 0;
}

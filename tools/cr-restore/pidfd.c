/* SPDX-License-Identifier: MIT */
/* pidfd: of a process or thread of the tree, or of one that is gone. */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file-kinds.h"
#include "restore.h"
#include "spare.h"
#include "thread.h"

#define PIDFD_THREAD O_EXCL /* 6.9 */

static int pidfd_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__PidFd *m = msg;

	const struct task_image *t = m->pid > 0 ? thread_task(&r->img, (uint32_t)m->pid) : NULL;

	if (m->pid > 0 && (!t || (!m->thread && t->task->pid != (uint32_t)m->pid)))
		return cr_err_set(err, CR_BAD_INPUT, "a pidfd of process %d, which is not there",
				  m->pid);
	return 0;
}

static int open_pidfd(pid_t pid, unsigned int flags, struct cr_err *err)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, flags);

	return fd < 0 ? cr_err_sys(err, "pidfd_open of %d", (int)pid) : fd;
}

/* A process that has been: one that we make, and end. */
static int open_gone(struct restore *r, unsigned int flags, struct cr_err *err)
{
	pid_t pid = spare_start(r, 0, NULL, err);
	int fd;

	if (pid < 0)
		return -1;
	fd = open_pidfd(pid, flags, err);
	spare_end(pid);
	return fd;
}

static int pidfd_open_kind(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__PidFd *m = msg;
	unsigned int flags = m->open_flags & O_NONBLOCK;

	if (m->thread)
		flags |= PIDFD_THREAD;
	return m->pid < 0 ? open_gone(r, flags, err) : open_pidfd(m->pid, flags, err);
}

/* Of a dead one too: it may be a zombie of the tree. */
static uint32_t pidfd_of_tree(const struct image *img, const void *msg)
{
	const Cr__PidFd *m = msg;

	(void)img;
	return m->pid > 0 ? (uint32_t)m->pid : UINT32_MAX;
}

const struct file_ops pidfd_ops = {
	.kind = CR_KIND_PID_FD,
	.of_tree = pidfd_of_tree,
	.check = pidfd_check,
	.open = pidfd_open_kind,
};

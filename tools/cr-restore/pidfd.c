/* SPDX-License-Identifier: MIT */
/* pidfd: of a process of the tree, or of one that is gone. */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "restore.h"
#include "spare.h"

#define PIDFD_THREAD O_EXCL /* 6.9 */

static int pidfd_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__PidFd *m = msg;

	if (m->pid > 0 && !image_task(&r->img, (uint32_t)m->pid))
		return cr_err_set(err, CR_BAD_INPUT, "a pidfd of process %d, which is not there",
				  m->pid);
	return 0;
}

/* A process that has been: one that we make, and end. */
static int open_gone(struct restore *r, struct cr_err *err)
{
	int fd = -1;
	pid_t pid = spare_start(r, 0, &fd, err);

	if (pid < 0)
		return -1;
	spare_end(pid);
	return fd;
}

static int pidfd_open_kind(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__PidFd *m = msg;
	cr_auto_fd int fd = -1;
	unsigned int flags = m->open_flags & O_NONBLOCK;

	if (m->thread)
		flags |= PIDFD_THREAD;
	if (m->pid < 0)
		fd = open_gone(r, err);
	else
		fd = (int)syscall(SYS_pidfd_open, m->pid, flags);
	if (fd < 0)
		return m->pid < 0 ? -1 : cr_err_sys(err, "pidfd_open of %d", m->pid);
	if (m->pid < 0 && flags & O_NONBLOCK && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return cr_err_sys(err, "F_SETFL");
	return cr_steal_fd(&fd);
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

/* SPDX-License-Identifier: MIT */
/*
 * userfaultfd: of the memory of who opens it, which is to be the task's, and with
 * the same features.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "restore.h"

#ifndef UFFD_USER_MODE_ONLY /* 5.11 */
#define UFFD_USER_MODE_ONLY 1
#endif

static int make(const Cr__UserFaultFd *m, struct cr_err *err)
{
	struct uffdio_api api = { .api = UFFD_API, .features = m->features };
	int flags = O_CLOEXEC | (int)(m->open_flags & O_NONBLOCK);
	cr_auto_fd int fd = -1;

	if (m->user_mode_only)
		flags |= UFFD_USER_MODE_ONLY;
	fd = (int)syscall(SYS_userfaultfd, flags);
	if (fd < 0)
		return cr_err_sys(err, "userfaultfd");
	if (m->api && ioctl(fd, UFFDIO_API, &api) < 0)
		return cr_err_sys(err, "UFFDIO_API with the features %#llx",
				  (unsigned long long)m->features);
	return cr_steal_fd(&fd);
}

static int userfaultfd_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__UserFaultFd *m = msg;
	struct cr_err why;
	cr_auto_fd int fd = make(m, &why);

	(void)err;
	if (fd < 0)
		refuse(r, m->pid, "userfaultfd", "%s", why.msg);
	return 0;
}

static int userfaultfd_open(struct restore *r, const void *msg, struct cr_err *err)
{
	(void)r;
	return make(msg, err);
}

const struct file_ops userfaultfd_ops = {
	.kind = CR_KIND_USER_FAULT_FD,
	.check = userfaultfd_check,
	.open = userfaultfd_open,
};

/* SPDX-License-Identifier: MIT */
/* eventfd: made anew with its count. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "restore.h"

static int eventfd_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__EventFd *m = msg;
	int flags = EFD_CLOEXEC | (m->semaphore ? EFD_SEMAPHORE : 0);
	cr_auto_fd int fd = eventfd(0, flags | EFD_NONBLOCK);

	(void)r;
	if (fd < 0)
		return cr_err_sys(err, "eventfd");
	/* The counter has 64 bits, the argument of eventfd() only 32. */
	if (m->count && write(fd, &m->count, sizeof(m->count)) != sizeof(m->count))
		return cr_err_sys(err, "unable to set an eventfd to %llu",
				  (unsigned long long)m->count);
	return cr_steal_fd(&fd);
}

const struct file_ops eventfd_ops = {
	.kind = CR_KIND_EVENT_FD,
	.open = eventfd_open,
};

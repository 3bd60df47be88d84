/* SPDX-License-Identifier: MIT */
/* signalfd: made anew with its mask. */
#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file-kinds.h"
#include "restore.h"

static int signalfd_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__SignalFd *m = msg;
	uint64_t mask = m->sigmask;
	int fd = (int)syscall(SYS_signalfd4, -1, &mask, sizeof(mask),
			      SFD_CLOEXEC | (m->open_flags & O_NONBLOCK));

	(void)r;
	return fd < 0 ? cr_err_sys(err, "signalfd") : fd;
}

const struct file_ops signalfd_ops = {
	.kind = CR_KIND_SIGNAL_FD,
	.open = signalfd_open,
};

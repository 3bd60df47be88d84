/* SPDX-License-Identifier: MIT */
/* Files of pressure stall information (5.2) in which a trigger has been set:
 * it cannot be read, and ends with the description. */
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/vfs.h>

#include "clean.h"
#include "kinds.h"

static bool is_pressure_file(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && ((uint32_t)fs.f_type == PROC_SUPER_MAGIC ||
					 (uint32_t)fs.f_type == CGROUP2_SUPER_MAGIC);
}

/* Without a trigger the poll of such a file tells an error. */
static bool match(const struct file *f)
{
	cr_auto_fd int fd = -1;
	struct cr_err ignored;
	struct pollfd p = { .events = POLLPRI };

	if (f->target[0] != '/' || (f->flags & O_PATH) || (f->flags & O_ACCMODE) == O_RDONLY ||
	    !strstr(f->target, "pressure"))
		return false;
	fd = file_get(f, &ignored);
	p.fd = fd;
	return fd >= 0 && is_pressure_file(fd) && poll(&p, 1, 0) >= 0 &&
	       !(p.revents & (POLLERR | POLLNVAL));
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	return file_refuse(d, f, "pressure file", "a trigger is set: not supported", "close it",
			   err);
}

const struct file_kind kind_psi = { .name = "psi", .match = match, .dump = dump };

/* SPDX-License-Identifier: MIT */
/* Files of pressure stall information (5.2) in which a trigger has been set:
 * it cannot be read, and ends with the description. */
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/vfs.h>

#include "kinds.h"

static bool is_pressure_file(const struct file *f)
{
	struct statfs fs;

	return strstr(f->target, "pressure") && fstatfs(f->own, &fs) == 0 &&
	       ((uint32_t)fs.f_type == PROC_SUPER_MAGIC ||
		(uint32_t)fs.f_type == CGROUP2_SUPER_MAGIC);
}

/* Without a trigger the poll of such a file tells an error. */
static bool match(const struct file *f)
{
	struct pollfd p = { .fd = f->own, .events = POLLPRI };

	return f->target[0] == '/' && !(f->flags & O_PATH) &&
	       (f->flags & O_ACCMODE) != O_RDONLY && is_pressure_file(f) && poll(&p, 1, 0) >= 0 &&
	       !(p.revents & (POLLERR | POLLNVAL));
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	return file_refuse(d, f, "pressure file", "a trigger is set: not supported", "close it",
			   err);
}

const struct file_kind kind_psi = { .name = "psi", .match = match, .dump = dump };

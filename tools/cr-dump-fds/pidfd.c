/* SPDX-License-Identifier: MIT */
/* pidfd: the process or thread it stands for, which must be of the tree or gone. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "kinds.h"

#define PIDFD_THREAD O_EXCL	/* 6.9 */

static bool match(const struct file *f)
{
	return file_target_is(f, "anon_inode:[pidfd]") || file_target_is(f, "pidfd:[");
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__PidFd m = CR__PID_FD__INIT;
	const char *pid = file_info(f, "Pid");
	char what[64];

	if (!pid)
		return cr_err_set(err, CR_SYSTEM, "its fdinfo has no Pid");
	m.id = f->id;
	m.open_flags = f->flags;
	m.pid = (int32_t)strtol(pid, NULL, 10);
	m.thread = f->flags & PIDFD_THREAD;
	/* One that has no number here. */
	if (m.pid == 0)
		return file_refuse(d, f, "pidfd", "its process is outside of the tree", "close it",
				   err);
	if (m.pid > 0 && !process_of(d, m.pid)) {
		snprintf(what, sizeof(what), "process %d is outside of the tree", m.pid);
		return file_refuse(d, f, "pidfd", what, "close it", err);
	}
	if (m.thread && m.pid > 0 && process_thread_is_late(d, m.pid))
		return file_refuse(d, f, "pidfd", process_thread_is_late(d, m.pid), "close it",
				   err);
	return cr_stage_put(d->st, CR_KIND_PID_FD, &m, err);
}

const struct file_kind kind_pidfd = {
	.name = "pidfd",
	.match = match,
	.late = late,
};

/* SPDX-License-Identifier: MIT */
/* eventfd: its count, from fdinfo. */
#include "kinds.h"

static bool match(const struct file *f)
{
	return file_target_is(f, "anon_inode:[eventfd]");
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__EventFd m = CR__EVENT_FD__INIT;
	const char *semaphore = file_info(f, "eventfd-semaphore");	/* 6.5 */

	m.id = f->id;
	m.open_flags = f->flags;
	m.semaphore = semaphore && *semaphore == '1';
	if (file_info_number(f, "eventfd-count", 16, &m.count, err) < 0)
		return -1;
	return cr_stage_put(d->st, CR_KIND_EVENT_FD, &m, err);
}

const struct file_kind kind_eventfd = { .name = "eventfd", .match = match, .dump = dump };

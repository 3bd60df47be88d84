/* SPDX-License-Identifier: MIT */
/* signalfd: its mask, from fdinfo. */
#include "kinds.h"

static bool match(const struct file *f)
{
	return file_target_is(f, "anon_inode:[signalfd]");
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__SignalFd m = CR__SIGNAL_FD__INIT;

	m.id = f->id;
	m.open_flags = f->flags;
	if (file_info_number(f, "sigmask", 16, &m.sigmask, err) < 0)
		return -1;
	return cr_stage_put(d->st, CR_KIND_SIGNAL_FD, &m, err);
}

const struct file_kind kind_signalfd = { .name = "signalfd", .match = match, .dump = dump };

/* SPDX-License-Identifier: MIT */
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "dnotify.h"

#ifndef F_GETOWNER_UIDS /* 3.7, with CONFIG_CHECKPOINT_RESTORE */
#define F_GETOWNER_UIDS 17
#endif

struct owner {
	struct file *file;
	struct f_owner_ex ex;
	uint32_t signal;
	uint32_t uids[2];
	struct owner *next;
};

int owner_look(struct dump *d, struct file *f, int fd, struct cr_err *err)
{
	struct owner o = { .file = f }, *copy;
	int signal = fcntl(fd, F_GETSIG);
	bool owned;

	if (signal < 0)
		return cr_err_sys(err, "F_GETSIG");
	if (fcntl(fd, F_GETOWN_EX, &o.ex) < 0)
		return cr_err_sys(err, "F_GETOWN_EX");
	owned = o.ex.pid || f->flags & O_ASYNC;
	/* The owner may come later. */
	if (!owned && !signal)
		return 0;
	o.signal = (uint32_t)signal;
	if (fcntl(fd, F_GETOWNER_UIDS, o.uids) < 0)
		return cr_err_sys(err, "F_GETOWNER_UIDS");
	copy = malloc(sizeof(*copy));
	if (!copy)
		return cr_err_sys(err, "out of memory");
	o.next = d->owners;
	*copy = o;
	d->owners = copy;
	return 0;
}

static bool in_tree(const struct dump *d, const struct f_owner_ex *ex)
{
	return !ex->pid || process_of(d, ex->pid);
}

static bool is_directory(const struct file *f)
{
	return f->has_stat && S_ISDIR(f->sb.st_mode);
}

static int put(struct dump *d, const struct owner *o, struct cr_err *err)
{
	Cr__FileOwner m = CR__FILE_OWNER__INIT;
	char what[80];
	int ret = 0;

	if (!in_tree(d, &o->ex)) {
		snprintf(what, sizeof(what), "its signals go to %d, outside of the tree (F_SETOWN)",
			 o->ex.pid);
		return file_refuse(d, o->file, "file", what, "take its owner away", err);
	}
	m.file = o->file->id;
	m.type = (uint32_t)o->ex.type;
	m.pid = (uint32_t)o->ex.pid;
	m.signal = o->signal;
	m.uid = o->uids[0];
	m.euid = o->uids[1];
	m.async = o->file->flags & O_ASYNC;
	if (is_directory(o->file))
		ret = dnotify_fill(d, o->file, &m, err);
	if (ret == 0)
		ret = cr_stage_put(d->st, CR_KIND_FILE_OWNER, &m, err);
	dnotify_release(&m);
	return ret < 0 ? -1 : 0;
}

int owners_finish(struct dump *d, struct cr_err *err)
{
	struct owner *o, *next;
	int ret = 0;

	for (o = d->owners; o; o = next) {
		next = o->next;
		if (ret == 0)
			ret = put(d, o, err);
		free(o);
	}
	d->owners = NULL;
	return ret;
}

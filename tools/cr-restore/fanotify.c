/* SPDX-License-Identifier: MIT */
#include "fanotify.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "owner.h"
#include "ref.h"

#define MARK_EVICTABLE 0x200u /* 5.19 */
#define MARK_IGNORE 0x400u /* 6.0 */

static int check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Fanotify *m = msg;

	for (size_t i = 0; i < m->n_marks; i++)
		if (ref_check(r, 0, m->marks[i]->ref, CR_FILEREF_ANY, err) < 0)
			return -1;
	return 0;
}

/* With the flags that it was made with, which fdinfo tells. */
static int open_group(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Fanotify *m = msg;
	cr_auto_fd int fd = fanotify_init(m->init_flags, m->event_flags);

	(void)r;
	if (fd < 0)
		return cr_err_sys(err, "fanotify_init");
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return cr_err_sys(err, "fcntl");
	return cr_steal_fd(&fd);
}

/* What is waited for, and what is ignored. */
static int add(int fd, const char *path, const Cr__FanotifyMark *k, struct cr_err *err)
{
	unsigned int how = FAN_MARK_ADD | k->type | (k->mark_flags & MARK_EVICTABLE);
	unsigned int ignore = k->mark_flags & MARK_IGNORE ? MARK_IGNORE : FAN_MARK_IGNORED_MASK;

	ignore |= k->mark_flags & FAN_MARK_IGNORED_SURV_MODIFY;
	if ((k->mask && fanotify_mark(fd, how, k->mask, AT_FDCWD, path) < 0) ||
	    (k->ignored && fanotify_mark(fd, how | ignore, k->ignored, AT_FDCWD, path) < 0))
		return cr_err_sys(err, "unable to mark %s", k->ref->path);
	return 0;
}

static int restore_one(struct restore *r, const Cr__Fanotify *m, struct cr_err *err)
{
	cr_auto_fd int fd = owner_get_file(r, m->id, err);

	if (fd < 0)
		return -1;
	for (size_t i = m->n_marks; i-- > 0;) {
		cr_auto_fd int file = ref_open(r, m->marks[i]->ref, O_PATH, err);
		char path[40];

		if (file < 0)
			return -1;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
		if (add(fd, path, m->marks[i], err) < 0)
			return -1;
	}
	return 0;
}

int fanotify_restore(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_FANOTIFY];

	for (unsigned int i = 0; i < l->count; i++)
		if (restore_one(r, l->items[i], err) < 0)
			return -1;
	return 0;
}

const struct file_ops fanotify_ops = {
	.kind = CR_KIND_FANOTIFY,
	.check = check,
	.open = open_group,
};

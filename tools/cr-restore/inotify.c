/* SPDX-License-Identifier: MIT */
#include "inotify.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "owner.h"
#include "ref.h"

#define KEPT (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK)
#define WD_MAX (1u << 20)	/* each number below costs two calls */

static int inotify_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Inotify *m = msg;

	for (size_t i = 0; i < m->n_watches; i++) {
		const Cr__InotifyWatch *w = m->watches[i];

		if (w->wd < 1 || w->wd > WD_MAX)
			return cr_err_set(err, CR_BAD_INPUT, "inotify %u: watch %u", m->id, w->wd);
		if (ref_check(r, 0, w->ref, CR_FILEREF_ANY, err) < 0)
			return -1;
	}
	return 0;
}

static int inotify_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Inotify *m = msg;
	int fd = inotify_init1(IN_CLOEXEC | (int)(m->open_flags & O_NONBLOCK));

	(void)r;
	return fd < 0 ? cr_err_sys(err, "inotify_init1") : fd;
}

/* What is in the queue is of our own doing. */
static int drain(int fd, struct cr_err *err)
{
	int flags = fcntl(fd, F_GETFL);
	char buf[4096];

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return cr_err_sys(err, "F_SETFL");
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	return fcntl(fd, F_SETFL, flags) < 0 ? cr_err_sys(err, "F_SETFL") : 0;
}

/* Numbers are given in order: those in between are used and given back. */
static int add(int fd, const char *path, const Cr__InotifyWatch *w, struct cr_err *err)
{
	for (unsigned int n = 0;; n++) {
		int wd = inotify_add_watch(fd, path, w->events & KEPT);

		if (wd < 0)
			return cr_err_sys(err, "unable to watch %s", w->ref->path);
		if ((uint32_t)wd == w->wd)
			return 0;
		if ((uint32_t)wd > w->wd)
			return cr_err_set(err, CR_SYSTEM, "watch %u of %s became %d", w->wd,
					  w->ref->path, wd);
		inotify_rm_watch(fd, wd);
		if (n % 1000 == 999 && drain(fd, err) < 0)
			return -1;
	}
}

static int restore_one(struct restore *r, const Cr__Inotify *m, struct cr_err *err)
{
	cr_auto_fd int fd = owner_get_file(r, m->id, err);

	if (fd < 0)
		return -1;
	for (size_t i = 0; i < m->n_watches; i++) {
		cr_auto_fd int file = ref_open(r, m->watches[i]->ref, O_PATH, err);
		char path[40];

		if (file < 0)
			return -1;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
		if (add(fd, path, m->watches[i], err) < 0)
			return -1;
	}
	return drain(fd, err);
}

int inotify_restore(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_INOTIFY];

	for (unsigned int i = 0; i < l->count; i++)
		if (restore_one(r, l->items[i], err) < 0)
			return -1;
	return 0;
}

const struct file_ops inotify_ops = {
	.kind = CR_KIND_INOTIFY,
	.check = inotify_check,
	.open = inotify_open,
};

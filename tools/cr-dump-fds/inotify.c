/* SPDX-License-Identifier: MIT */
/*
 * inotify: its watches, from fdinfo, which knows the watched files by inode
 * and file handle.  Events that wait to be read cannot be looked at without
 * taking them, and no call puts them back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "by-handle.h"
#include "clean.h"
#include "fileref.h"
#include "ghosts.h"
#include "kinds.h"

#define HANDLE_MAX 128 /* MAX_HANDLE_SZ */

struct watch {
	uint32_t wd;
	uint32_t mask;
	uint64_t ino;
	uint32_t sdev;
	unsigned int bytes;
	unsigned int type;
	uint8_t handle[HANDLE_MAX];
};

static bool match(const struct file *f)
{
	return file_target_is(f, "anon_inode:inotify") || file_target_is(f, "anon_inode:[inotify]");
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	int waiting = 0;
	char what[96];

	if (ioctl(f->own, FIONREAD, &waiting) < 0)
		return cr_err_sys(err, "FIONREAD");
	if (waiting && !d->opts->drop_inotify_events) {
		snprintf(what, sizeof(what), "%d bytes of events wait to be read: not supported",
			 waiting);
		return file_refuse(d, f, "inotify", what,
				   "try again when they are read, or use --inotify-events drop",
				   err);
	}
	f->deferred = true;
	return 0;
}

/* "inotify wd:1 ino:3c sdev:fe00000 mask:2 ignored_mask:0 fhandle-bytes:8
 * fhandle-type:1 f_handle:3c0000000a1b2c3d" */
static int parse(const char *line, struct watch *w)
{
	char hex[2 * HANDLE_MAX + 1] = "";
	unsigned int byte;

	memset(w, 0, sizeof(*w));
	if (sscanf(line,
		   "inotify wd:%" SCNx32 " ino:%" SCNx64 " sdev:%" SCNx32 " mask:%" SCNx32
		   " ignored_mask:%*x fhandle-bytes:%x fhandle-type:%x f_handle:%256s",
		   &w->wd, &w->ino, &w->sdev, &w->mask, &w->bytes, &w->type, hex) < 4)
		return -1;
	if (w->bytes > HANDLE_MAX || strlen(hex) != 2 * w->bytes)
		return -1;
	for (unsigned int i = 0; i < w->bytes; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -1;
		w->handle[i] = (uint8_t)byte;
	}
	return 0;
}

/* A description of the tree that leads to the watched file. */
static struct file *open_in_tree(const struct dump *d, const struct watch *w, dev_t dev)
{
	for (uint32_t i = 0; i < d->n_all; i++) {
		struct file *f = d->all[i];

		if (f->has_stat && f->sb.st_ino == w->ino && f->sb.st_dev == dev)
			return f;
	}
	return NULL;
}

static int fill_ref(struct dump *d, const struct watch *w, Cr__FileRef *ref, struct cr_err *err)
{
	dev_t dev = makedev(w->sdev >> 20, w->sdev & 0xfffff);
	struct ghost_hint hint = { .limit = d->opts->ghost_limit };
	struct file *known = open_in_tree(d, w, dev);
	cr_auto_fd int fd = -1;
	const char *remedy;
	int ret;

	if (!known)
		return w->bytes ? by_handle_ref(dev, (int)w->type, w->handle, w->bytes, ref, err) :
				  1;
	fd = file_get(known, err);
	if (fd < 0)
		return -1;
	ret = cr_fileref_fill(fd, known->target, false, ref, err);
	if (ret != 1)
		return ret;
	ret = ghosts_ref_or_link(d, fd, known->target, hint, ref, &remedy, err);
	return ret == GHOST_REFUSED ? 1 : ret;
}

static int refuse(struct dump *d, const struct file *f, const struct watch *w, struct cr_err *err)
{
	char what[128];

	snprintf(what, sizeof(what), "watch %u: no path leads to its inode %" PRIu64, w->wd,
		 w->ino);
	return file_refuse(d, f, "inotify", what, "remove the watch", err);
}

static int by_wd(const void *a, const void *b)
{
	uint32_t x = (*(Cr__InotifyWatch *const *)a)->wd, y = (*(Cr__InotifyWatch *const *)b)->wd;

	return x < y ? -1 : x > y;
}

static int fill(struct dump *d, const struct file *f, Cr__Inotify *m, Cr__InotifyWatch *watches,
		Cr__FileRef *refs, bool *refused, struct cr_err *err)
{
	const char *line = f->info;

	for (size_t i = 0; (line = strstr(line, "\ninotify ")); i++, line++) {
		struct watch w;
		int ret;

		if (parse(line + 1, &w) < 0)
			return cr_err_set(err, CR_SYSTEM, "its fdinfo is not understood");
		cr__inotify_watch__init(&watches[i]);
		watches[i].wd = w.wd;
		watches[i].events = w.mask;
		watches[i].ref = &refs[i];
		m->watches[m->n_watches++] = &watches[i];
		ret = fill_ref(d, &w, &refs[i], err);
		*refused |= ret == 1;
		if (ret < 0 || (ret == 1 && refuse(d, f, &w, err) < 0))
			return -1;
	}
	if (m->n_watches)
		qsort(m->watches, m->n_watches, sizeof(m->watches[0]), by_wd);
	return 0;
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__Inotify m = CR__INOTIFY__INIT;
	size_t n = 0;
	cr_auto_free Cr__InotifyWatch *watches = NULL;
	cr_auto_free Cr__InotifyWatch **list = NULL;
	cr_auto_free Cr__FileRef *refs = NULL;
	bool refused = false;
	int ret;

	for (const char *p = f->info; (p = strstr(p, "\ninotify ")); p++)
		n++;
	watches = calloc(n + 1, sizeof(*watches));
	list = calloc(n + 1, sizeof(*list));
	refs = calloc(n + 1, sizeof(*refs));
	if (!watches || !list || !refs)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < n; i++)
		cr__file_ref__init(&refs[i]);
	m.id = f->id;
	m.open_flags = f->flags;
	m.watches = list;
	ret = fill(d, f, &m, watches, refs, &refused, err);
	if (ret == 0 && !refused)
		ret = cr_stage_put(d->st, CR_KIND_INOTIFY, &m, err);
	for (size_t i = 0; i < n; i++)
		cr_fileref_release(&refs[i]);
	return ret;
}

const struct file_kind kind_inotify = {
	.name = "inotify",
	.match = match,
	.dump = dump,
	.late = late,
};

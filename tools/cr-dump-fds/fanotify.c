/* SPDX-License-Identifier: MIT */
/*
 * fanotify: its marks, from fdinfo: on inodes by file handle, on mounts by
 * number, on file systems by device.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "by-handle.h"
#include "clean.h"
#include "fileref.h"
#include "kinds.h"
#include "proc.h"

#define KIND "fanotify"
#define HANDLE_MAX 128
#define CAP_SYS_ADMIN_BIT 21
#define CLASSES 0xcu /* FAN_CLASS_CONTENT, FAN_CLASS_PRE_CONTENT */

struct mark {
	Cr__FanotifyMark m;
	Cr__FileRef ref;
	uint64_t ino;
	uint32_t mnt_id;
	uint32_t sdev;
	unsigned int bytes;
	int handle_type;
	uint8_t handle[HANDLE_MAX];
};

static bool match(const struct file *f)
{
	return file_target_is(f, "anon_inode:[fanotify]");
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	struct pollfd p = { .fd = f->own, .events = POLLIN };

	if (poll(&p, 1, 0) < 0)
		return cr_err_sys(err, "poll");
	if (p.revents & POLLIN)
		return file_refuse(d, f, KIND, "events wait to be read: not supported",
				   "try again when they are read", err);
	f->deferred = true;
	return 0;
}

static int parse_handle(const char *line, struct mark *k)
{
	const char *at = strstr(line, "fhandle-bytes:");
	char hex[2 * HANDLE_MAX + 1] = "";
	unsigned int byte;

	if (!at ||
	    sscanf(at, "fhandle-bytes:%x fhandle-type:%x f_handle:%256s", &k->bytes,
		   (unsigned int *)&k->handle_type, hex) != 3 ||
	    k->bytes > HANDLE_MAX || strlen(hex) != 2 * k->bytes)
		return -1;
	for (unsigned int i = 0; i < k->bytes; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -1;
		k->handle[i] = (uint8_t)byte;
	}
	return 0;
}

static int parse(const char *line, struct mark *k)
{
	const char *flags = strstr(line, " mflags:");

	cr__fanotify_mark__init(&k->m);
	cr__file_ref__init(&k->ref);
	k->m.ref = &k->ref;
	if (!flags || sscanf(flags, " mflags:%" SCNx32 " mask:%" SCNx64 " ignored_mask:%" SCNx64,
			     &k->m.mark_flags, &k->m.mask, &k->m.ignored) != 3)
		return -1;
	if (sscanf(line, "fanotify mnt_id:%" SCNx32, &k->mnt_id) == 1) {
		k->m.type = FAN_MARK_MOUNT;
		return 0;
	}
	if (sscanf(line, "fanotify sdev:%" SCNx32, &k->sdev) == 1) {
		k->m.type = FAN_MARK_FILESYSTEM;
		return 0;
	}
	if (sscanf(line, "fanotify ino:%" SCNx64 " sdev:%" SCNx32, &k->ino, &k->sdev) != 2)
		return -1;
	k->m.type = FAN_MARK_INODE;
	return parse_handle(line, k);
}

/* A place where the mount is, or one of the file system: 0; 1 there is none. */
static int find_mount(const struct mark *k, Cr__FileRef *ref, struct cr_err *err)
{
	cr_auto_file FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], path[2048];
	unsigned int id, ma, mi;
	int ret = 1;

	while (ret == 1 && f && fgets(line, sizeof(line), f)) {
		struct statx st;
		struct stat sb;

		if (sscanf(line, "%u %*u %u:%u %*s %2047s", &id, &ma, &mi, path) != 4)
			continue;
		if (k->m.type == FAN_MARK_MOUNT ?
			    id != k->mnt_id :
			    ma << 20 != (k->sdev & ~0xfffffu) || mi != (k->sdev & 0xfffff))
			continue;
		cr_proc_unescape(path);
		/* Another mount may be upon it. */
		if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &st) == 0 &&
		    st.stx_mask & STATX_MNT_ID && st.stx_mnt_id == id && lstat(path, &sb) == 0)
			ret = cr_fileref_fill_stat(&sb, path, ref, err);
	}
	return ret;
}

/* A group of an unprivileged user tells less; it cannot be told from others. */
static bool may_be_unprivileged(const struct file *f)
{
	cr_auto_free char *status = NULL;
	struct cr_err ignored;
	const char *caps;

	if (cr_proc_read(f->proc->pid, "status", &status, NULL, &ignored) < 0)
		return true;
	caps = cr_proc_field(status, "CapEff");
	return !caps || !(strtoull(caps, NULL, 16) >> CAP_SYS_ADMIN_BIT & 1);
}

static int refuse_mark(struct dump *d, const struct file *f, const struct mark *k,
		       struct cr_err *err)
{
	char what[128];

	if (k->m.type == FAN_MARK_INODE)
		snprintf(what, sizeof(what), "no path leads to inode %" PRIu64 " that it marks",
			 k->ino);
	else
		snprintf(what, sizeof(what), "no path leads to a mount that it marks");
	return file_refuse(d, f, KIND, what, "remove the mark", err);
}

/* 1: refused. */
static int fill(struct dump *d, const struct file *f, Cr__Fanotify *m, struct mark *marks,
		struct cr_err *err)
{
	const char *line = strstr(f->info, "\nfanotify flags:");
	bool refused = false;

	if (!line || sscanf(line, "\nfanotify flags:%" SCNx32 " event-flags:%" SCNx32,
			    &m->init_flags, &m->event_flags) != 2)
		return cr_err_set(err, CR_SYSTEM, "its fdinfo is not understood");
	while ((line = strstr(line + 1, "\nfanotify "))) {
		struct mark *k = &marks[m->n_marks];
		int ret;

		if (parse(line + 1, k) < 0)
			return cr_err_set(err, CR_SYSTEM, "its fdinfo is not understood");
		m->marks[m->n_marks++] = &k->m;
		ret = k->m.type == FAN_MARK_INODE ?
			      by_handle_ref(makedev(k->sdev >> 20, k->sdev & 0xfffff),
					    k->handle_type, k->handle, k->bytes, &k->ref, err) :
			      find_mount(k, &k->ref, err);
		refused |= ret == 1;
		if (ret < 0 || (ret == 1 && refuse_mark(d, f, k, err) < 0))
			return -1;
	}
	return refused;
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__Fanotify m = CR__FANOTIFY__INIT;
	cr_auto_free struct mark *marks = NULL;
	cr_auto_free Cr__FanotifyMark **list = NULL;
	size_t n = 1;
	int ret;

	for (const char *p = f->info; (p = strstr(p, "\nfanotify ")); p++)
		n++;
	marks = calloc(n, sizeof(*marks));
	list = calloc(n, sizeof(*list));
	if (!marks || !list)
		return cr_err_sys(err, "out of memory");
	m.id = f->id;
	m.open_flags = f->flags;
	m.marks = list;
	ret = fill(d, f, &m, marks, err);
	if (ret == 0 && m.init_flags & CLASSES)
		ret = file_refuse(d, f, KIND,
				  "it decides about access (FAN_CLASS_CONTENT): not supported",
				  "close it", err);
	else if (ret == 0 && may_be_unprivileged(f))
		ret = file_refuse(d, f, KIND, "it is of an unprivileged process: not supported",
				  "close it", err);
	else if (ret == 0)
		ret = cr_stage_put(d->st, CR_KIND_FANOTIFY, &m, err);
	for (size_t i = 0; i < m.n_marks; i++)
		cr_fileref_release(&marks[i].ref);
	return ret < 0 ? -1 : 0;
}

const struct file_kind kind_fanotify = {
	.name = "fanotify",
	.match = match,
	.dump = dump,
	.late = late,
};

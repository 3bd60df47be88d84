/* SPDX-License-Identifier: MIT */
#include "ref.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "thread.h"

/* Index of a Ghost record, -1. */
static int find_ghost(const struct restore *r, uint32_t id)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_GHOST];

	for (unsigned int i = 0; i < l->count; i++)
		if (((const Cr__Ghost *)l->items[i])->id == id)
			return (int)i;
	return -1;
}

/*
 * The copy in the image serves for a file that is missing, or another build of
 * a program; a data file that has changed is somebody's, and stays refused.
 * Returns false when the copy is of no use.
 */
static bool use_copy(struct restore *r, const Cr__FileRef *ref)
{
	int i = ref->embedded ? find_ghost(r, ref->embedded) : -1;

	if (i < 0 || (!ref->build_id.len && access(ref->path, F_OK) == 0))
		return false;
	if (!r->embedded)
		r->embedded = calloc(r->img.kinds[CR_KIND_GHOST].count, sizeof(bool));
	if (!r->embedded)
		return false;
	r->embedded[i] = true;
	return true;
}

static uint32_t ghost_of(const struct restore *r, const Cr__FileRef *ref)
{
	int i;

	if (ref->ghost || !ref->embedded || !r->embedded)
		return ref->ghost;
	i = find_ghost(r, ref->embedded);
	return i >= 0 && r->embedded[i] ? ref->embedded : 0;
}

/* "/proc/42", "/proc/42/maps", "/proc/42/task/43/maps" */
uint32_t ref_task(const struct image *img, const Cr__FileRef *ref)
{
	const struct task_image *t;
	char *end;
	unsigned long id;
	bool of_task;

	if (!ref || ref->ghost || strncmp(ref->path, "/proc/", 6) != 0)
		return 0;
	id = strtoul(ref->path + 6, &end, 10);
	of_task = strncmp(end, "/task/", 6) == 0;
	if (end != ref->path + 6 && of_task)
		id = strtoul(end + 6, &end, 10);
	if (end == ref->path + 6 || (*end && *end != '/') || !id || id > UINT32_MAX)
		return 0;
	t = thread_task(img, (uint32_t)id);
	if (!t || (of_task && id == t->task->pid && t->task->dead_leader))
		return 0;
	return (uint32_t)id;
}

int ref_check(struct restore *r, uint32_t pid, const Cr__FileRef *ref, enum cr_fileref_rule rule,
	      struct cr_err *err)
{
	char why[128];
	int ret;

	if (!ref)
		return cr_err_set(err, CR_BAD_INPUT, "a record without its file");
	if (ref_task(&r->img, ref))
		return 0;
	if (ref->ghost)
		return find_ghost(r, ref->ghost) >= 0 ?
			       0 :
			       cr_err_set(err, CR_BAD_INPUT,
					  "%s: the record of the deleted file is missing",
					  ref->path);
	if (r->opts.changed_files && strcmp(r->opts.changed_files, "accept") == 0)
		rule = CR_FILEREF_ANY;
	ret = cr_fileref_check(ref, rule, why, sizeof(why), err);
	if (ret > 0 && !use_copy(r, ref))
		refuse(r, pid, ref->path, "%s", why);
	return ret < 0 ? -1 : 0;
}

int ref_open(struct restore *r, const Cr__FileRef *ref, int flags, struct cr_err *err)
{
	char path[40];
	const struct object_fd *o;
	uint32_t ghost = ghost_of(r, ref);
	int fd;

	if (ghost) {
		o = object_find(r->ghosts, r->n_ghosts, ghost);
		if (!o)
			return cr_err_set(err, CR_BAD_INPUT, "%s: no such deleted file", ref->path);
		/* A symbolic link can only be had as it was taken. */
		if (flags & O_PATH && flags & O_NOFOLLOW && S_ISLNK(ref->mode)) {
			fd = fcntl(o->fd[0], F_DUPFD_CLOEXEC, 0);
			return fd < 0 ? cr_err_sys(err, "%s: F_DUPFD", ref->path) : fd;
		}
		/* Through the link of /proc a deleted file opens like any other. */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", o->fd[0]);
		fd = open(path, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	} else {
		fd = open(ref->path, flags | O_CLOEXEC);
	}
	if (fd < 0)
		return cr_err_sys(err, "unable to open %s", ref->path);
	return fd;
}

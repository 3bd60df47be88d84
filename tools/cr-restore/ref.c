/* SPDX-License-Identifier: MIT */
#include "ref.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_ghost(const struct restore *r, uint32_t id)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_GHOST];

	for (unsigned int i = 0; i < l->count; i++)
		if (((const Cr__Ghost *)l->items[i])->id == id)
			return true;
	return false;
}

/* A file of /proc that is there when the process opens it, but not before:
 * "/proc/42" or "/proc/42/maps" of a task of the tree. */
static bool is_of_task(const struct restore *r, const Cr__FileRef *ref)
{
	char *end;
	unsigned long pid;
	const struct task_image *t;

	if (strncmp(ref->path, "/proc/", 6) != 0)
		return false;
	pid = strtoul(ref->path + 6, &end, 10);
	if (end == ref->path + 6 || (*end && *end != '/') || pid > UINT32_MAX)
		return false;
	t = image_task(&r->img, (uint32_t)pid);
	return t && !task_is_zombie(t) && strncmp(end, "/task/", 6) != 0;
}

int ref_check(struct restore *r, uint32_t pid, const Cr__FileRef *ref, enum cr_fileref_rule rule,
	      struct cr_err *err)
{
	char why[128];
	int ret;

	if (!ref)
		return cr_err_set(err, CR_BAD_INPUT, "a record without its file");
	if (is_of_task(r, ref))
		return 0;
	if (ref->ghost)
		return has_ghost(r, ref->ghost) ?
			       0 :
			       cr_err_set(err, CR_BAD_INPUT,
					  "%s: the record of the deleted file is missing",
					  ref->path);
	if (r->opts.changed_files && strcmp(r->opts.changed_files, "accept") == 0)
		rule = CR_FILEREF_ANY;
	ret = cr_fileref_check(ref, rule, why, sizeof(why), err);
	if (ret > 0)
		refuse(r, pid, ref->path, "%s", why);
	return ret < 0 ? -1 : 0;
}

int ref_open(struct restore *r, const Cr__FileRef *ref, int flags, struct cr_err *err)
{
	char path[40];
	const struct object_fd *o;
	int fd;

	if (ref->ghost) {
		o = object_find(r->ghosts, r->n_ghosts, ref->ghost);
		if (!o)
			return cr_err_set(err, CR_BAD_INPUT, "%s: no such deleted file", ref->path);
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

/* SPDX-License-Identifier: MIT */
/* A descriptor of a namespace: of the one we are in. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file-kinds.h"
#include "restore.h"

static void path_of(const Cr__Namespace *m, char *path, size_t size)
{
	snprintf(path, size, "/proc/self/ns/%s", m->name);
}

static int namespace_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Namespace *m = msg;
	char path[64];

	if (strchr(m->name, '/') || strlen(m->name) > 32)
		return cr_err_set(err, CR_BAD_INPUT, "namespace %u: malformed name", m->id);
	path_of(m, path, sizeof(path));
	if (access(path, F_OK) < 0)
		refuse(r, 0, path, "this kernel has no such namespaces");
	return 0;
}

static int namespace_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Namespace *m = msg;
	char path[64];
	int fd;

	(void)r;
	path_of(m, path, sizeof(path));
	fd = open(path, (int)(m->open_flags & (O_ACCMODE | O_PATH | O_NONBLOCK)) | O_CLOEXEC);
	return fd < 0 ? cr_err_sys(err, "unable to open %s", path) : fd;
}

const struct file_ops namespace_ops = {
	.kind = CR_KIND_NAMESPACE,
	.check = namespace_check,
	.open = namespace_open,
};

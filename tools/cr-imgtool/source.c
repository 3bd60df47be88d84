/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "image.h"

static int open_parent(const char *path, struct cr_err *err)
{
	cr_auto_free char *copy = strdup(path);

	if (!copy)
		return cr_err_sys(err, "out of memory");
	return cr_image_dir(dirname(copy), false, err);
}

int source_open(const char *path, struct source *s, struct cr_err *err)
{
	struct stat sb;

	s->path = path;
	s->fd = s->dirfd = -1;
	if (stat(path, &sb) < 0)
		return cr_err_sys(err, "unable to open %s", path);
	if (S_ISDIR(sb.st_mode)) {
		s->dirfd = cr_image_dir(path, false, err);
		if (s->dirfd >= 0)
			s->fd = cr_image_open_manifest(s->dirfd, err);
		if (s->fd < 0)
			cr_err_wrap(err, "%s", path);
	} else {
		s->dirfd = open_parent(path, err);
		if (s->dirfd >= 0)
			s->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (s->dirfd >= 0 && s->fd < 0)
			cr_err_sys(err, "unable to open %s", path);
	}
	if (s->fd >= 0)
		return 0;
	source_close(s);
	return -1;
}

void source_close(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->dirfd >= 0)
		close(s->dirfd);
	s->fd = s->dirfd = -1;
}

static int handle(source_fn fn, void *ctx, const struct cr_record *rec, struct cr_err *err)
{
	void *msg = NULL;
	int ret;

	if (rec->info) {
		msg = cr_record_unpack(rec, err);
		if (!msg)
			return -1;
	}
	ret = fn(ctx, rec, msg, err);
	cr_record_free_msg(msg);
	return ret;
}

int source_each(const struct source *s, source_fn fn, void *ctx, struct cr_err *err)
{
	struct cr_reader *r;
	struct cr_record rec;
	int got;

	/* A pipe cannot be read twice; that does no harm when it is read once. */
	(void)lseek(s->fd, 0, SEEK_SET);
	got = cr_reader_open(s->fd, s->path, &r, err);
	while (got >= 0 && (got = cr_reader_next(r, &rec, err)) > 0)
		if (handle(fn, ctx, &rec, err) < 0)
			got = -1;
	cr_reader_free(r);
	return got;
}

/* SPDX-License-Identifier: MIT */
/*
 * Pipes.  The first end that is opened makes the pipe with its bytes; the
 * ends are put away and each description takes one, or opens one more
 * through /proc when the target had more than one of a side.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "file-kinds.h"
#include "restore.h"

static uint64_t pipe_object(const void *msg)
{
	return (uint64_t)((const Cr__Pipe *)msg)->pipe + 1;
}

static const Cr__PipeData *find_data(const struct restore *r, uint32_t pipe)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_PIPE_DATA];

	for (unsigned int i = 0; i < l->count; i++)
		if (((const Cr__PipeData *)l->items[i])->pipe == pipe)
			return l->items[i];
	return NULL;
}

static int pipe_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Pipe *m = msg;

	if (!find_data(r, m->pipe))
		return cr_err_set(err, CR_BAD_INPUT, "pipe %u: its record is missing", m->pipe);
	return 0;
}

static int fill(int fd, const Cr__PipeData *d, struct cr_err *err)
{
	size_t done = 0;

	if (d->capacity && fcntl(fd, F_SETPIPE_SZ, (int)d->capacity) < 0)
		return cr_err_sys(err, "pipe %u: unable to give it %u bytes", d->pipe, d->capacity);
	while (done < d->data.len) {
		ssize_t n = write(fd, d->data.data + done, d->data.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cr_err_sys(err, "pipe %u: unable to put its bytes back", d->pipe);
		done += (size_t)n;
	}
	return 0;
}

static struct object_fd *make(struct restore *r, const Cr__PipeData *d, struct cr_err *err)
{
	struct object_fd *grown, *o;
	int fd[2], i;

	grown = realloc(r->pipes, (r->n_pipes + 1) * sizeof(*grown));
	if (!grown) {
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	r->pipes = grown;
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0) {
		cr_err_sys(err, "pipe %u: pipe2", d->pipe);
		return NULL;
	}
	o = &r->pipes[r->n_pipes++];
	o->id = d->pipe;
	o->fd[0] = o->fd[1] = -1;
	for (i = 0; i < 2; i++) {
		o->fd[i] = file_stash(r, fd[i], err);
		if (o->fd[i] < 0)
			return NULL;
	}
	return fill(o->fd[1], d, err) < 0 ? NULL : o;
}

static int pipe_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Pipe *m = msg;
	struct object_fd *o = object_find(r->pipes, r->n_pipes, m->pipe);
	int side = (m->open_flags & O_ACCMODE) == O_RDONLY ? 0 : 1;
	char path[32];
	int fd;

	if (!o)
		o = make(r, find_data(r, m->pipe), err);
	if (!o)
		return -1;
	/* A description of its own, with the target's flags. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", o->fd[side]);
	fd = open(path, (int)(m->open_flags & (O_ACCMODE | O_NONBLOCK | O_DIRECT)) | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "pipe %u: unable to open its end", m->pipe);
	return fd;
}

const struct file_ops pipe_ops = {
	.kind = CR_KIND_PIPE,
	.object = pipe_object,
	.check = pipe_check,
	.open = pipe_open,
};

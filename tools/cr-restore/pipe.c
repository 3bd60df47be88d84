/* SPDX-License-Identifier: MIT */
/*
 * Pipes.  The first end that is opened makes the pipe with its bytes; both
 * ends are put away, and a description takes the one of its side.  One that the
 * target opened again by its name, in /proc or of a fifo, is opened so here:
 * the kernel marks it with O_LARGEFILE.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "file-kinds.h"
#include "node.h"
#include "pipe-fill.h"
#include "restore.h"

#define KERNEL_LARGEFILE 0100000	/* glibc's O_LARGEFILE is 0 on 64-bit */

static uint64_t pipe_object(const void *msg)
{
	return (uint64_t)((const Cr__Pipe *)msg)->pipe + 1;
}

static int pipe_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Pipe *m = msg;

	if (!pipe_data(r, m->pipe))
		return cr_err_set(err, CR_BAD_INPUT, "pipe %u: its record is missing", m->pipe);
	return 0;
}

static struct object_fd *make(struct restore *r, const Cr__PipeData *d, struct cr_err *err)
{
	struct object_fd *o = pipe_object_new(r, d->pipe, err);
	int fd[2], i;

	if (!o)
		return NULL;
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0) {
		cr_err_sys(err, "pipe %u: pipe2", d->pipe);
		return NULL;
	}
	for (i = 0; i < 2; i++) {
		o->fd[i] = file_stash(r, fd[i], err);
		if (o->fd[i] < 0)
			return NULL;
	}
	if (pipe_fill(o->fd[1], d, err) < 0 || node_set(o->fd[1], d->node, "a pipe", err) < 0)
		return NULL;
	return o;
}

/* The description that pipe2(2) made, with the target's flags. */
static int take_end(int end, int flags, struct cr_err *err)
{
	int fd = fcntl(end, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return cr_err_sys(err, "unable to duplicate the end of a pipe");
	if (fcntl(fd, F_SETFL, flags & (O_NONBLOCK | O_DIRECT)) < 0) {
		cr_err_sys(err, "F_SETFL of a pipe");
		close(fd);
		return -1;
	}
	return fd;
}

static int pipe_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Pipe *m = msg;
	struct object_fd *o = object_find(r->pipes, r->n_pipes, m->pipe);
	int side = (m->open_flags & O_ACCMODE) == O_RDONLY ? 0 : 1;
	char path[32];
	int fd;

	if (!o)
		o = make(r, pipe_data(r, m->pipe), err);
	if (!o)
		return -1;
	if (!(m->open_flags & KERNEL_LARGEFILE))
		return take_end(o->fd[side], (int)m->open_flags, err);
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

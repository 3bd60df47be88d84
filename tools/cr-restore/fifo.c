/* SPDX-License-Identifier: MIT */
/*
 * Fifos.  The first one to be opened is held open for reading and writing, so
 * that it keeps its bytes and no open(2) waits for another one.  A reader that
 * never had a writer must not see one come and go: it is opened without that.
 */
#include <fcntl.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "pipe-fill.h"
#include "ref.h"
#include "restore.h"

static uint64_t fifo_object(const void *msg)
{
	return (uint64_t)((const Cr__Fifo *)msg)->pipe + 1;
}

static int fifo_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Fifo *m = msg;

	if (!pipe_data(r, m->pipe))
		return cr_err_set(err, CR_BAD_INPUT, "fifo %u: its record is missing", m->pipe);
	return ref_check(r, 0, m->ref, CR_FILEREF_EXACT, err);
}

static int hold(struct restore *r, const Cr__Fifo *m, struct cr_err *err)
{
	struct object_fd *o = pipe_object_new(r, m->pipe, err);
	int fd;

	if (!o)
		return -1;
	fd = ref_open(r, m->ref, O_RDWR | O_NONBLOCK, err);
	if (fd < 0)
		return -1;
	o->fd[0] = file_stash(r, fd, err);
	return o->fd[0] < 0 ? -1 : pipe_fill(o->fd[0], pipe_data(r, m->pipe), err);
}

static int fifo_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Fifo *m = msg;
	int flags = (int)m->open_flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC);
	cr_auto_fd int fd = -1;

	if ((m->hangup || !m->alone) && !object_find(r->pipes, r->n_pipes, m->pipe) &&
	    hold(r, m, err) < 0)
		return -1;
	fd = ref_open(r, m->ref, flags | O_NONBLOCK, err);
	if (fd < 0)
		return -1;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags) < 0)
		return cr_err_sys(err, "F_SETFL of a fifo");
	return cr_steal_fd(&fd);
}

const struct file_ops fifo_ops = {
	.kind = CR_KIND_FIFO,
	.object = fifo_object,
	.check = fifo_check,
	.open = fifo_open,
};

/* SPDX-License-Identifier: MIT */
#include "pipe-state.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "clean.h"
#include "holder.h"
#include "pipe-bytes.h"

void pipe_state_note(struct pipe_state *p, struct file *f)
{
	if ((f->flags & O_ACCMODE) != O_WRONLY)
		p->reader = f;
	if ((f->flags & O_ACCMODE) != O_RDONLY) {
		p->writer = f;
		p->n_writers++;
	}
	p->packets |= (f->flags & O_DIRECT) != 0;
	p->async |= (f->flags & O_ASYNC) != 0;
}

enum pipe_end pipe_state_end(const struct pipe_state *p, int fd)
{
	struct pollfd pfd = { .fd = fd };

	if (p->reader && p->writer)
		return PIPE_INSIDE;
	if (poll(&pfd, 1, 0) < 0)
		return PIPE_UNKNOWN;
	if (p->writer)
		return pfd.revents & POLLERR ? PIPE_INSIDE : PIPE_OUTSIDE;
	return pfd.revents & POLLHUP ? PIPE_HANGUP : PIPE_UNKNOWN;
}

static int put_bytes(struct dump *d, const struct pipe_state *p, const struct file *f, int fd,
		     int capacity, const struct pipe_bytes *bytes, struct cr_err *err)
{
	Cr__PipeData m = CR__PIPE_DATA__INIT;
	Cr__Node node = CR__NODE__INIT;
	struct stat sb;
	cr_auto_free Cr__PipePiece *pieces = calloc(bytes->n_pieces + 1, sizeof(*pieces));
	cr_auto_free Cr__PipePiece **list = calloc(bytes->n_pieces + 1, sizeof(*list));

	if (!pieces || !list)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < bytes->n_pieces; i++) {
		cr__pipe_piece__init(&pieces[i]);
		pieces[i].length = bytes->pieces[i].length;
		pieces[i].packet = bytes->pieces[i].packet;
		list[i] = &pieces[i];
	}
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "fstat");
	node.mode = sb.st_mode;
	node.uid = sb.st_uid;
	node.gid = sb.st_gid;
	if (file_target_is(f, "pipe:["))
		m.node = &node;
	m.pipe = p->id;
	m.ino = f->ino;
	m.capacity = (uint32_t)capacity;
	m.data.data = bytes->data;
	m.data.len = bytes->len;
	m.pieces = list;
	m.n_pieces = bytes->n_pieces;
	return cr_stage_put(d->st, CR_KIND_PIPE_DATA, &m, err);
}

/*
 * Without a reader a new one may still come, by the name or by way of /proc, and
 * finds the bytes.  When ours goes, writers that asked for signals would get one.
 */
static int read_unowned(const struct pipe_state *p, int fd, int capacity, struct pipe_bytes *bytes,
			struct cr_err *err)
{
	cr_auto_fd int reader = -1;
	char path[32];
	int n = 0;

	if (ioctl(fd, FIONREAD, &n) < 0)
		return cr_err_sys(err, "FIONREAD");
	if (!n)
		return 0;
	if (p->async)
		return cr_err_set(err, CR_REFUSED,
				  "%d bytes are left by its reader, and its writer has O_ASYNC: "
				  "not supported",
				  n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (reader < 0)
		return cr_err_sys(err, "unable to open it for reading");
	return pipe_bytes_read(reader, capacity, p->packets, bytes, err);
}

int pipe_state_put(struct dump *d, const struct pipe_state *p, int fd, const char *kind,
		   struct cr_err *err)
{
	const struct file *f = p->reader ? p->reader : p->writer;
	int capacity = fcntl(fd, F_GETPIPE_SZ), ret;
	struct pipe_bytes bytes = { 0 };

	if (capacity < 0)
		return cr_err_sys(err, "F_GETPIPE_SZ");
	ret = p->reader ? pipe_bytes_read(fd, capacity, p->packets, &bytes, err) :
			  read_unowned(p, fd, capacity, &bytes, err);
	if (ret < 0) {
		pipe_bytes_free(&bytes);
		if (err->class == CR_REFUSED)
			return file_refuse(d, f, kind, err->msg,
					   p->reader ? "raise fs.pipe-max-size" : "empty it", err);
		return cr_err_wrap(err, "pid %d: fd %d (%s)", (int)f->proc->pid, f->fd, f->target);
	}
	ret = put_bytes(d, p, f, fd, capacity, &bytes, err);
	pipe_bytes_free(&bytes);
	return ret;
}

bool pipe_state_outside(const struct dump *d, const struct file *f, char *what, size_t size)
{
	struct holder h;

	snprintf(what, size, "its other end is outside of the tree");
	if (!holder_find(d, f->sb.st_dev, f->sb.st_ino, 0, &h))
		return false;
	snprintf(what, size, "its other end is outside of the tree, in pid %d (%s)", (int)h.pid,
		 h.comm);
	return true;
}

/* SPDX-License-Identifier: MIT */
/* Pipes: each end is a record of its own, the bytes come when all are seen. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#include "clean.h"
#include "kinds.h"
#include "map.h"
#include "pipe-bytes.h"

struct pipe_state {
	uint32_t id;
	struct file *reader;	/* any description that can read, that can write */
	struct file *writer;
	bool packets;
	struct pipe_state *next;
};

struct pipes {
	struct map by_ino;
	struct pipe_state *first;
	struct pipe_state **last;
};

static bool match(const struct file *f)
{
	return file_target_is(f, "pipe:[");
}

static struct pipes *get_pipes(struct dump *d, struct cr_err *err)
{
	void **state = kind_state(d, &kind_pipe);
	struct pipes *all = *state;

	if (!all) {
		*state = all = calloc(1, sizeof(*all));
		if (!all)
			cr_err_sys(err, "out of memory");
		else
			all->last = &all->first;
	}
	return all;
}

static struct pipe_state *get_pipe(struct pipes *all, uint64_t ino, struct cr_err *err)
{
	struct pipe_state *p = map_get(&all->by_ino, ino);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p) {
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	p->id = all->by_ino.count + 1;
	if (map_put(&all->by_ino, ino, p, err) < 0) {
		free(p);
		return NULL;
	}
	*all->last = p;
	all->last = &p->next;
	return p;
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	struct pipes *all = get_pipes(d, err);
	struct pipe_state *p = all ? get_pipe(all, f->ino, err) : NULL;
	Cr__Pipe m = CR__PIPE__INIT;

	if (!p)
		return -1;
	if ((f->flags & O_ACCMODE) != O_WRONLY)
		p->reader = f;
	if ((f->flags & O_ACCMODE) != O_RDONLY)
		p->writer = f;
	p->packets |= (f->flags & O_DIRECT) != 0;
	m.id = f->id;
	m.pipe = p->id;
	m.open_flags = f->flags;
	return cr_stage_put(d->st, CR_KIND_PIPE, &m, err);
}

/* One end is in the tree: has the other one been closed, or is it elsewhere? */
static bool leads_outside(const struct pipe_state *p, int fd)
{
	struct pollfd pfd = { .fd = fd };

	if (p->reader && p->writer)
		return false;
	return poll(&pfd, 1, 0) < 0 || !(pfd.revents & (POLLHUP | POLLERR));
}

static int put_bytes(struct dump *d, const struct pipe_state *p, const struct file *f, int capacity,
		     const struct pipe_bytes *bytes, struct cr_err *err)
{
	Cr__PipeData m = CR__PIPE_DATA__INIT;
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
	m.pipe = p->id;
	m.ino = f->ino;
	m.capacity = (uint32_t)capacity;
	m.data.data = bytes->data;
	m.data.len = bytes->len;
	m.pieces = list;
	m.n_pieces = bytes->n_pieces;
	return cr_stage_put(d->st, CR_KIND_PIPE_DATA, &m, err);
}

static int finish_pipe(struct dump *d, const struct pipe_state *p, struct cr_err *err)
{
	const struct file *f = p->reader ? p->reader : p->writer;
	cr_auto_fd int fd = file_get(f, err);
	struct pipe_bytes bytes = { 0 };
	int capacity, ret;

	if (fd < 0)
		return -1;
	if (leads_outside(p, fd))
		return file_refuse(d, f, "pipe", "its other end is outside of the tree",
				   "use --external, or connect it to a file", err);
	capacity = fcntl(fd, F_GETPIPE_SZ);
	if (capacity < 0)
		return cr_err_sys(err, "F_GETPIPE_SZ");
	/* Without a reader nobody can see the bytes any more. */
	if (p->reader && pipe_bytes_read(fd, capacity, p->packets, &bytes, err) < 0) {
		pipe_bytes_free(&bytes);
		if (err->class == CR_REFUSED)
			return file_refuse(d, f, "pipe", err->msg, "raise fs.pipe-max-size", err);
		return cr_err_wrap(err, "pid %d: fd %d (%s)", (int)f->proc->pid, f->fd, f->target);
	}
	ret = put_bytes(d, p, f, capacity, &bytes, err);
	pipe_bytes_free(&bytes);
	return ret;
}

static int finish(struct dump *d, struct cr_err *err)
{
	struct pipes *all = *kind_state(d, &kind_pipe);
	struct pipe_state *p, *next;
	int ret = 0;

	if (!all)
		return 0;
	for (p = all->first; p; p = next) {
		next = p->next;
		if (ret == 0)
			ret = finish_pipe(d, p, err);
		free(p);
	}
	map_clear(&all->by_ino);
	free(all);
	*kind_state(d, &kind_pipe) = NULL;
	return ret;
}

const struct file_kind kind_pipe = {
	.name = "pipe",
	.match = match,
	.dump = dump,
	.finish = finish,
};

/* SPDX-License-Identifier: MIT */
/* Pipes: each end is a record of its own, the bytes come when all are seen. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "clean.h"
#include "holder.h"
#include "kinds.h"
#include "map.h"
#include "pipe-state.h"

struct listed_pipe {
	struct pipe_state state;
	struct listed_pipe *next;
};

struct pipes {
	struct map by_ino;
	struct listed_pipe *first;
	struct listed_pipe **last;
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

static struct pipe_state *get_pipe(struct dump *d, struct pipes *all, uint64_t ino,
				   struct cr_err *err)
{
	struct listed_pipe *p = map_get(&all->by_ino, ino);

	if (p)
		return &p->state;
	p = calloc(1, sizeof(*p));
	if (!p) {
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	p->state.id = ++d->n_pipes;
	if (map_put(&all->by_ino, ino, p, err) < 0) {
		free(p);
		return NULL;
	}
	*all->last = p;
	all->last = &p->next;
	return &p->state;
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	struct pipes *all = get_pipes(d, err);
	struct pipe_state *p = all ? get_pipe(d, all, f->ino, err) : NULL;
	Cr__Pipe m = CR__PIPE__INIT;

	if (!p)
		return -1;
	pipe_state_note(p, f);
	m.id = f->id;
	m.pipe = p->id;
	m.open_flags = f->flags;
	return cr_stage_put(d->st, CR_KIND_PIPE, &m, err);
}

/*
 * All the tree has of it would be carried, and a process outside keeps the old
 * one: what it writes would no longer arrive.
 */
static int refuse_shared(struct dump *d, const struct file *f, const struct holder *h,
			 struct cr_err *err)
{
	char what[128], remedy[128];

	holder_describe(h, what, sizeof(what));
	snprintf(remedy, sizeof(remedy), "close it there, or use --external '%.60s'", f->target);
	return file_refuse(d, f, "pipe", what, remedy, err);
}

/* With one end closed everywhere and no bytes, two pipes are as good as one. */
static bool matters(const struct pipe_state *p, int fd)
{
	int n = 0;

	return p->reader && (p->writer || ioctl(fd, FIONREAD, &n) < 0 || n);
}

static int finish_pipe(struct dump *d, const struct pipe_state *p, struct cr_err *err)
{
	struct file *f = p->reader ? p->reader : p->writer;
	cr_auto_fd int fd = file_get(f, err);
	enum pipe_end end;
	char what[128], remedy[128];
	struct holder h;

	if (fd < 0)
		return -1;
	end = pipe_state_end(p, fd);
	if ((end == PIPE_INSIDE || end == PIPE_HANGUP) && matters(p, fd) &&
	    holder_of_pipe(d, f->ino, &h))
		return refuse_shared(d, f, &h, err);
	if (end == PIPE_INSIDE || end == PIPE_HANGUP)
		return pipe_state_put(d, p, fd, "pipe", err);
	if (file_stat(f, err) < 0)
		return -1;
	pipe_state_outside(d, f, what, sizeof(what));
	snprintf(remedy, sizeof(remedy), "use --external '%.60s', or connect it to a file",
		 f->target);
	return file_refuse(d, f, "pipe", what, remedy, err);
}

static int finish(struct dump *d, struct cr_err *err)
{
	struct pipes *all = *kind_state(d, &kind_pipe);
	struct listed_pipe *p, *next;
	int ret = 0;

	if (!all)
		return 0;
	for (p = all->first; p; p = next) {
		next = p->next;
		if (ret == 0)
			ret = finish_pipe(d, &p->state, err);
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

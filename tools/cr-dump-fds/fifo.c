/* SPDX-License-Identifier: MIT */
/* Fifos: what is said of pipes, and the file that is their name. */
#include <fcntl.h>
#include <stdlib.h>

#include "clean.h"
#include "fileref.h"
#include "ghosts.h"
#include "holder.h"
#include "kinds.h"
#include "natures.h"
#include "pipe-state.h"

struct fifo {
	struct pipe_state state;
	dev_t dev;
	ino_t ino;
	enum pipe_end end;
	bool refused;
	struct fifo *next;
};

static bool match(const struct file *f)
{
	return f->target[0] == '/' && S_ISFIFO(f->sb.st_mode) && !(f->flags & O_PATH);
}

static struct fifo *find(struct dump *d, const struct file *f)
{
	struct fifo *p = *kind_state(d, &kind_fifo);

	while (p && (p->dev != f->sb.st_dev || p->ino != f->sb.st_ino))
		p = p->next;
	return p;
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	struct fifo *p = find(d, f);

	f->deferred = true;
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return cr_err_sys(err, "out of memory");
		p->dev = f->sb.st_dev;
		p->ino = f->sb.st_ino;
		p->next = *kind_state(d, &kind_fifo);
		*kind_state(d, &kind_fifo) = p;
	}
	pipe_state_note(&p->state, f);
	return 0;
}

/* Once for each fifo: its bytes, or why not. */
static int put_pipe(struct dump *d, struct fifo *p, struct cr_err *err)
{
	struct file *f = p->state.reader ? p->state.reader : p->state.writer;
	cr_auto_fd int fd = file_get(f, err);
	char what[128];
	struct holder h;
	bool found;

	if (fd < 0)
		return -1;
	p->state.id = ++d->n_pipes;
	p->end = pipe_state_end(&p->state, fd);
	/* Somebody outside would go on with the old bytes, or lose the new ones. */
	if ((p->end == PIPE_INSIDE || p->end == PIPE_HANGUP) &&
	    holder_find(d, p->dev, p->ino, 0, &h)) {
		holder_describe(&h, what, sizeof(what));
		p->refused = true;
		return file_refuse(d, f, "fifo", what, "close it there", err);
	}
	if (p->end == PIPE_INSIDE || p->end == PIPE_HANGUP)
		return pipe_state_put(d, &p->state, fd, "fifo", err);
	/* A fifo may be open in a process that has nothing to do with us. */
	found = pipe_state_outside(d, f, what, sizeof(what));
	if (p->end == PIPE_UNKNOWN && !found)
		return pipe_state_put(d, &p->state, fd, "fifo", err);
	p->refused = true;
	return file_refuse(d, f, "fifo", what, "close it there", err);
}

/* An enum ghost_result, or -1. */
static int fill_ref(struct dump *d, const struct file *f, Cr__FileRef *ref, const char **remedy,
		    struct cr_err *err)
{
	cr_auto_fd int fd = file_get(f, err);
	const struct ghost_hint hint = { 0 };
	int ret = fd < 0 ? -1 : cr_fileref_fill(fd, f->target, false, ref, err);

	return ret == 1 ? ghosts_ref_or_link(d, fd, f->target, hint, ref, remedy, err) : ret;
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__Fifo m = CR__FIFO__INIT;
	Cr__FileRef ref = CR__FILE_REF__INIT;
	struct fifo *p = find(d, f);
	const char *remedy;
	int ret;

	if (!p->state.id && put_pipe(d, p, err) < 0)
		return -1;
	if (p->refused)
		return 0;
	ret = fill_ref(d, f, &ref, &remedy, err);
	if (ret == GHOST_REFUSED)
		ret = file_refuse(d, f, "fifo", err->msg, remedy, err);
	else if (ret == 0) {
		m.id = f->id;
		m.ref = &ref;
		m.open_flags = f->flags;
		m.pipe = p->state.id;
		m.hangup = p->end == PIPE_HANGUP;
		m.alone = p->end == PIPE_UNKNOWN;
		ret = cr_stage_put(d->st, CR_KIND_FIFO, &m, err);
	}
	cr_fileref_release(&ref);
	return ret;
}

static int finish(struct dump *d, struct cr_err *err)
{
	struct fifo *p = *kind_state(d, &kind_fifo), *next;

	(void)err;
	for (; p; p = next) {
		next = p->next;
		free(p);
	}
	*kind_state(d, &kind_fifo) = NULL;
	return 0;
}

const struct file_kind kind_fifo = {
	.name = "fifo",
	.match = match,
	.dump = dump,
	.late = late,
	.finish = finish,
};

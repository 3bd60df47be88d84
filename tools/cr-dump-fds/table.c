/* SPDX-License-Identifier: MIT */
/* A process's descriptor table. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "dump.h"
#include "files.h"
#include "locks.h"
#include "scan.h"

/* The table as it is kept to the end. */
static int keep_table(struct process *p, const struct scan *sc, struct cr_err *err)
{
	p->table = calloc(sc->count + 1, sizeof(p->table[0]));
	if (!p->table)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < sc->count; i++) {
		const struct slot *s = &sc->slots[i];

		p->table[i] = (struct entry){ s->fd, s->flags & O_CLOEXEC, s->file };
	}
	p->n_table = sc->count;
	return 0;
}

static int put_table(struct dump *d, const struct process *p, struct cr_err *err)
{
	Cr__FdTable m = CR__FD_TABLE__INIT;
	cr_auto_free Cr__Fd *fds = calloc(p->n_table + 1, sizeof(*fds));
	cr_auto_free Cr__Fd **list = calloc(p->n_table + 1, sizeof(*list));

	if (!fds || !list)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < p->n_table; i++) {
		const struct entry *e = &p->table[i];

		cr__fd__init(&fds[i]);
		fds[i].fd = (uint32_t)e->fd;
		fds[i].file = e->file->id;
		fds[i].cloexec = e->cloexec;
		fds[i].target = e->file->target;
		list[i] = &fds[i];
	}
	m.pid = (uint32_t)p->task;
	m.n_fds = p->n_table;
	m.fds = list;
	return cr_stage_put(d->st, CR_KIND_FD_TABLE, &m, err);
}

/* A table that two processes share is written with the first. */
static int put_same(struct dump *d, const struct process *p, struct cr_err *err)
{
	Cr__FdTable m = CR__FD_TABLE__INIT;

	m.pid = (uint32_t)p->task;
	m.same_as = (uint32_t)p->same->task;
	return cr_stage_put(d->st, CR_KIND_FD_TABLE, &m, err);
}

static int dump_slots(struct dump *d, const struct scan *sc, struct cr_err *err)
{
	for (unsigned int i = 0; i < sc->count; i++) {
		struct slot *s = &sc->slots[i];

		if (s->file->id)
			continue;
		if (file_dump(d, s->file, err) < 0)
			return cr_err_wrap(err, "fd %d (%s)", s->fd, s->target);
	}
	return 0;
}

int table_dump(struct dump *d, struct process *p, struct cr_err *err)
{
	struct scan sc = { 0 };
	int ret = -1;

	if (p->same)
		return put_same(d, p, err);
	if (scan_table(d, p, &sc, err) == 0 && files_find(d->files, p, &sc, err) == 0 &&
	    dump_slots(d, &sc, err) == 0 && locks_dump(d, p, &sc, err) == 0 &&
	    keep_table(p, &sc, err) == 0)
		ret = put_table(d, p, err);
	d->n_descriptors += sc.count;
	scan_free(&sc);
	return ret;
}

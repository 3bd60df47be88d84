/* SPDX-License-Identifier: MIT */
/* Sockets: cr-dump-net, further down the pipeline, says what is in them. */
#include "kinds.h"

static bool match(const struct file *f)
{
	return file_target_is(f, "socket:[");
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__Socket m = CR__SOCKET__INIT;

	m.id = f->id;
	m.ino = f->ino;
	m.open_flags = f->flags;
	m.pid = (uint32_t)f->proc->pid;
	m.fd = (uint32_t)f->fd;
	return cr_stage_put(d->st, CR_KIND_SOCKET, &m, err);
}

const struct file_kind kind_socket = { .name = "socket", .match = match, .dump = dump };

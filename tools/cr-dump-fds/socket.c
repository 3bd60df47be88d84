/* SPDX-License-Identifier: MIT */
/* Sockets: cr-dump-net, further down the pipeline, says what is in them. */
#include "flight.h"
#include "kinds.h"

static bool match(const struct file *f)
{
	return file_target_is(f, "socket:[");
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	if (!flight_expects(f))
		return socket_put(d, f, NULL, 0, err);
	f->deferred = true;
	return 0;
}

int socket_put(struct dump *d, const struct file *f, Cr__Rights **rights, size_t n,
	       struct cr_err *err)
{
	const struct file *carrier = file_named(f);
	Cr__Socket m = CR__SOCKET__INIT;

	m.id = f->id;
	m.ino = f->ino;
	m.open_flags = f->flags;
	m.pid = (uint32_t)f->proc->pid;
	m.fd = (uint32_t)f->fd;
	m.rights = rights;
	m.n_rights = n;
	if (carrier != f) {
		m.carrier_pid = (uint32_t)carrier->proc->pid;
		m.carrier_fd = (uint32_t)carrier->fd;
	}
	return cr_stage_put(d->st, CR_KIND_SOCKET, &m, err);
}

const struct file_kind kind_socket = { .name = "socket", .match = match, .dump = dump };

/* SPDX-License-Identifier: MIT */
#include "flight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clean.h"
#include "files.h"
#include "flight-look.h"
#include "kinds.h"
#include "peek-offset.h"
#include "proc.h"
#include "scan.h"

/* What is in the queue of one socket. */
struct flight {
	const struct file *file;
	struct process self;	/* ours; .carrier is the socket */
	struct flight_look look;
	struct scan scan;	/* of the descriptors that have come */
	struct flight *next;
};

bool flight_expects(const struct file *f)
{
	const char *p = file_info(f, "scm_fds");

	return p && strtoul(p, NULL, 10) > 0;
}

static int refuse(struct dump *d, const struct file *f, const char *what, const char *remedy,
		  struct cr_err *err)
{
	const char *name = f->kind && f->kind != &kind_reg ? f->kind->name : "file";

	return file_refuse(d, f, name, what, remedy, err);
}

/* --- who can be sent once more ------------------------------------------------- */

/*
 * At the restore they are opened before there is any process of the tree, and
 * what only a message has is not touched again when there is.
 */
static const char *why_not(const struct file *f)
{
	if (f->kind == &kind_pidfd ||
	    (file_target_is(f, "/proc/") && f->target[6] >= '0' && f->target[6] <= '9'))
		return "a descriptor of a process is sent in a message: not supported";
	if (!f->proc->carrier)
		return NULL;
	if (f->kind == &kind_epoll || f->kind == &kind_io_uring)
		return "no process has it open: not supported";
	/* Its signals name the number that it was set by, which nobody has now. */
	if (f->flags & O_ASYNC)
		return "no process has it open, and it sends signals (O_ASYNC): not supported";
	return NULL;
}

static int check_slot(struct dump *d, const struct slot *s, struct cr_err *err)
{
	const struct file *f = s->file;
	const char *why = why_not(f);

	if (!why && f->proc->carrier && strstr(s->info, "\nlock:"))
		why = "no process has it open, and it has a file lock: not supported";
	return why ? refuse(d, f, why, "receive it", err) : 0;
}

/* --- descriptors of our own ------------------------------------------------------ */

static int open_self(struct flight *fl, struct cr_err *err)
{
	struct process *p = &fl->self;

	p->pid = p->task = getpid();
	p->fd_dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->fd_dir < 0)
		return cr_err_sys(err, "unable to open /proc/self/fd");
	p->pidfd = cr_proc_pidfd(p->pid, err);
	return p->pidfd < 0 ? -1 : 0;
}

static int dump_slots(struct dump *d, const struct scan *sc, struct cr_err *err)
{
	for (unsigned int i = 0; i < sc->count; i++) {
		struct slot *s = &sc->slots[i];

		if (!s->file->id && file_dump(d, s->file, err) < 0)
			return cr_err_wrap(err, "in a message (%s)", s->target);
		if (check_slot(d, s, err) < 0)
			return -1;
	}
	return 0;
}

static const struct file *file_of(const struct scan *sc, int fd)
{
	for (unsigned int i = 0; i < sc->count; i++)
		if (sc->slots[i].fd == fd)
			return sc->slots[i].file;
	return NULL;
}

/* --- the record ------------------------------------------------------------------ */

static int put(struct dump *d, const struct flight *fl, struct cr_err *err)
{
	const struct flight_look *l = &fl->look;
	cr_auto_free Cr__Rights *rights = calloc(l->n_messages + 1, sizeof(*rights));
	cr_auto_free Cr__Rights **list = calloc(l->n_messages + 1, sizeof(*list));
	cr_auto_free uint32_t *files = calloc(l->count + 1, sizeof(*files));
	unsigned int next = 0;

	if (!rights || !list || !files)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < l->count; i++) {
		const struct file *sent = file_of(&fl->scan, l->fds[i]);

		if (!sent)
			return cr_err_set(err, CR_SYSTEM, "a descriptor in a message is lost");
		files[i] = sent->id;
	}
	for (unsigned int i = 0; i < l->n_messages; i++) {
		cr__rights__init(&rights[i]);
		rights[i].files = files + next;
		rights[i].n_files = l->messages[i];
		next += l->messages[i];
		list[i] = &rights[i];
	}
	return socket_put(d, fl->file, list, l->n_messages, err);
}

int flights_put(struct dump *d, struct cr_err *err)
{
	for (const struct flight *fl = d->flights; fl; fl = fl->next)
		if (put(d, fl, err) < 0)
			return -1;
	return 0;
}

static int is_listener(int fd, struct cr_err *err)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return cr_err_sys(err, "SO_ACCEPTCONN");
	return listens != 0;
}

static int take(struct dump *d, struct file *f, struct flight *fl, struct cr_err *err)
{
	cr_auto_fd int fd = file_get(f, err);
	uint64_t expected = 0;
	int listens;

	if (fd < 0 || file_info_number(f, "scm_fds", 10, &expected, err) < 0)
		return -1;
	listens = is_listener(fd, err);
	if (listens < 0)
		return -1;
	/* They are in connections that nobody has accepted: cr-dump-net's. */
	if (listens)
		return 0;
	if (flight_look(d, fd, (unsigned int)expected, &fl->look, err) < 0)
		return -1;
	/* It has what has come too, which would look as if open elsewhere. */
	peek_end(&d->offset);
	if (fl->look.count != expected) {
		flight_look_free(&fl->look);
		return refuse(d, f, "descriptors in its queue cannot be seen: not supported",
			      "receive them", err);
	}
	if (open_self(fl, err) < 0 ||
	    scan_some(d, &fl->self, fl->look.fds, fl->look.count, &fl->scan, err) < 0)
		return -1;
	if (files_find(d->files, &fl->self, &fl->scan, err) < 0)
		return -1;
	return dump_slots(d, &fl->scan, err);
}

int flights_dump(struct dump *d, struct cr_err *err)
{
	/* What is found stands behind. */
	for (uint32_t i = 0; i < d->n_all; i++) {
		struct file *f = d->all[i];
		struct flight *fl;

		if (!f->deferred || f->kind != &kind_socket)
			continue;
		f->deferred = false;
		fl = calloc(1, sizeof(*fl));
		if (!fl)
			return cr_err_sys(err, "out of memory");
		fl->self.pidfd = fl->self.fd_dir = -1;
		fl->self.carrier = f;
		fl->file = f;
		fl->next = d->flights;
		d->flights = fl;
		if (take(d, f, fl, err) < 0)
			return cr_err_wrap(err, "pid %d: fd %d (%s)", (int)file_named(f)->proc->pid,
					   file_named(f)->fd, f->target);
	}
	return 0;
}

void flights_free(struct dump *d)
{
	struct flight *fl, *next;

	peek_end(&d->offset);
	for (fl = d->flights; fl; fl = next) {
		next = fl->next;
		flight_look_free(&fl->look);
		scan_free(&fl->scan);
		if (fl->self.pidfd >= 0)
			close(fl->self.pidfd);
		if (fl->self.fd_dir >= 0)
			close(fl->self.fd_dir);
		free(fl);
	}
	d->flights = NULL;
}

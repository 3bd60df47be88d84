/* SPDX-License-Identifier: MIT */
#include "tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "node.h"
#include "numbers.h"
#include "orphan.h"
#include "pty.h"
#include "spare.h"

#ifndef TIOCVHANGUP /* 2.6.28, for root */
#define TIOCVHANGUP 0x5437
#endif

/* The terminal we were started on; -1: none. */
static int own_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	for (int i = 0; fd < 0 && i < 3; i++)
		if (isatty(i))
			fd = fcntl(i, F_DUPFD_CLOEXEC, 0);
	return fd;
}

static int check_one(struct restore *r, const Cr__Terminal *m, struct cr_err *err)
{
	cr_auto_fd int fd = -1;
	char path[32];

	if (!m->termios)
		return cr_err_set(err, CR_BAD_INPUT, "terminal %u: no settings", m->terminal);
	if (m->external) {
		fd = own_terminal();
		if (fd < 0)
			refuse(r, 0, "", "the tree needs a terminal; start this on one");
		return 0;
	}
	if (!m->pty)
		return cr_err_set(err, CR_BAD_INPUT, "terminal %u: no pty", m->terminal);
	if (m->orphan) {
		orphan_check(r, m);
		return 0;
	}
	snprintf(path, sizeof(path), "/dev/pts/%u", m->pty - 1);
	if (access(path, F_OK) == 0)
		refuse(r, 0, path, "the terminal is in use");
	return 0;
}

static const Cr__Terminal *terminal_of(const struct restore *r, uint32_t id)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_TERMINAL];

	for (unsigned int i = 0; i < l->count; i++)
		if (((const Cr__Terminal *)l->items[i])->terminal == id)
			return l->items[i];
	return NULL;
}

int ttys_check(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_TERMINAL];
	const struct msg_list *c = &r->img.kinds[CR_KIND_CONTROLLING_TERMINAL];

	for (unsigned int i = 0; i < l->count; i++)
		if (check_one(r, l->items[i], err) < 0)
			return -1;
	for (unsigned int i = 0; i < c->count; i++) {
		const Cr__ControllingTerminal *m = c->items[i];

		if (!m->outside && !terminal_of(r, m->terminal))
			return cr_err_set(err, CR_BAD_INPUT, "session %u: its terminal is missing",
					  m->sid);
	}
	return 0;
}

/* The descriptions of one terminal, its master apart. */
struct opening {
	const char *path;
	int flags;
	int slave;	/* any descriptor of the terminal */
	int fd;		/* the result */
};

/* In a session of its own: /dev/tty is whatever controls the caller. */
static int open_as_controlling(void *arg)
{
	struct opening *o = arg;

	if (ioctl(o->slave, TIOCSCTTY, 0) < 0)
		return errno;
	o->fd = open("/dev/tty", o->flags);
	if (o->fd < 0)
		return errno;
	/* An exit would hang it up. */
	return ioctl(o->fd, TIOCNOTTY) < 0 ? errno : 0;
}

static int open_dev_tty(struct restore *r, const char *slave, int flags, struct cr_err *err)
{
	struct opening *o =
		mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ret, fd = -1;

	if (o == MAP_FAILED)
		return cr_err_sys(err, "mmap");
	o->flags = flags;
	o->fd = -1;
	o->slave = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (o->slave < 0) {
		ret = cr_err_sys(err, "unable to open %s", slave);
	} else {
		ret = spare_run(r, open_as_controlling, o, err);
		fd = o->fd;
		close(o->slave);
	}
	munmap(o, sizeof(*o));
	if (ret <= 0)
		return ret < 0 ? -1 : fd;
	errno = ret;
	return cr_err_sys(err, "unable to open /dev/tty of %s", slave);
}

static int open_slave(struct restore *r, const Cr__Terminal *m, const Cr__Tty *t,
		      struct cr_err *err)
{
	int flags = (int)t->open_flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC), fd;
	bool dev_tty = strcmp(t->path, "/dev/tty") == 0;
	char path[32];

	flags |= O_NOCTTY | O_CLOEXEC;
	snprintf(path, sizeof(path), "/dev/pts/%u", m->pty - 1);
	if (dev_tty && !m->external)
		return open_dev_tty(r, path, flags, err);
	if (m->external && !dev_tty) {
		cr_auto_fd int own = own_terminal();

		if (own < 0 || ttyname_r(own, path, sizeof(path)) != 0)
			return cr_err_set(err, CR_REFUSED, "the tree needs a terminal");
	}
	fd = open(dev_tty ? "/dev/tty" : path, flags);
	return fd < 0 ? cr_err_sys(err, "unable to open %s", path) : fd;
}

static int keep(struct restore *r, uint32_t id, int fd, struct cr_err *err)
{
	struct object_fd *o = &r->ttys[r->n_ttys++];

	o->id = id;
	o->fd[0] = file_stash(r, fd, err);
	o->fd[1] = -1;
	return o->fd[0] < 0 ? -1 : 0;
}

static int open_one(struct restore *r, const Cr__Terminal *m, const Cr__Tty *t, int *master,
		    struct cr_err *err)
{
	int fd = t->master ? *master : open_slave(r, m, t, err);

	if (t->master && fd < 0)
		return cr_err_set(err, CR_BAD_INPUT, "terminal %u: two masters", m->terminal);
	if (fd < 0)
		return -1;
	if (t->master)
		*master = -1;
	if (t->hung_up && ioctl(fd, TIOCVHANGUP) < 0) {
		cr_err_sys(err, "TIOCVHANGUP");
		close(fd);
		return -1;
	}
	return keep(r, t->id, fd, err);
}

/* Open @m's descriptions: the slaves, then the master as what it is; before all
 * of them those that were hung up, since that is done to all that there are. */
static int open_all(struct restore *r, const Cr__Terminal *m, int master, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_TTY];

	for (int hung = 1; hung >= 0; hung--)
		for (unsigned int i = 0; i < l->count; i++) {
			const Cr__Tty *t = l->items[i];

			if (t->terminal == m->terminal && t->hung_up == hung &&
			    open_one(r, m, t, &master, err) < 0)
				return -1;
		}
	return 0;
}

/* "/dev/ptmx", or that of another devpts. */
static const char *master_path(const struct restore *r, const Cr__Terminal *m)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_TTY];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Tty *t = l->items[i];

		if (t->terminal == m->terminal && t->master)
			return t->path;
	}
	return "/dev/ptmx";
}

static int open_end(const struct restore *r, Cr__Terminal *m, struct cr_err *err)
{
	if (m->external)
		return own_terminal();
	return m->orphan ? orphan_open(m, err) :
			   pty_open(master_path(r, m), (int)m->pty - 1, NULL, err);
}

/* That of the slave, which is not opened for it: a master would see that. */
static int set_node(const Cr__Terminal *m, struct cr_err *err)
{
	char path[32];
	struct stat sb;

	if (!m->node)
		return 0;
	snprintf(path, sizeof(path), "/dev/pts/%u", m->pty - 1);
	if (stat(path, &sb) < 0)
		return cr_err_sys(err, "unable to look at %s", path);
	if ((sb.st_uid != m->node->uid || sb.st_gid != m->node->gid) &&
	    chown(path, m->node->uid, m->node->gid) < 0)
		return cr_err_sys(err, "unable to give %s to user %u, group %u", path, m->node->uid,
				  m->node->gid);
	if (chmod(path, m->node->mode & 07777) < 0)
		return cr_err_sys(err, "unable to set the mode of %s", path);
	return 0;
}

static int make(struct restore *r, const Cr__Terminal *image, struct cr_err *err)
{
	Cr__Terminal copy = *image, *m = &copy;
	cr_auto_fd int fd = open_end(r, m, err);
	int own;

	if (fd < 0)
		return m->external ? cr_err_set(err, CR_REFUSED, "the tree needs a terminal") : -1;
	/* The master is kept by a number of its own until its settings are. */
	own = m->external || m->hangup || m->orphan ? -1 : number_dup(r, fd, err);
	if (own < 0 && !(m->external || m->hangup || m->orphan))
		return -1;
	if (open_all(r, m, own, err) < 0)
		return -1;
	if (m->orphan && orphan_keep(r, m, fd, err) < 0)
		return -1;
	if (!m->external && set_node(m, err) < 0)
		return -1;
	/* Without a master nobody sees its settings any more. */
	return m->hangup ? 0 : pty_set(fd, m, err);
}

int ttys_make(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_TERMINAL];

	r->ttys = calloc(r->img.kinds[CR_KIND_TTY].count + 1, sizeof(*r->ttys));
	if (!r->ttys)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < l->count; i++)
		if (make(r, l->items[i], err) < 0)
			return cr_err_wrap(err, "terminal %u",
					   ((const Cr__Terminal *)l->items[i])->terminal);
	return 0;
}

static int open_pty(const struct restore *r, const Cr__ControllingTerminal *c, char *path,
		    size_t size)
{
	snprintf(path, size, "/dev/pts/%u", orphan_number(terminal_of(r, c->terminal)));
	return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

int ttys_lead(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_CONTROLLING_TERMINAL];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__ControllingTerminal *c = l->items[i];
		cr_auto_fd int fd = -1;
		char path[32];

		if (c->outside || c->sid != t->task->pid)
			continue;
		fd = open_pty(r, c, path, sizeof(path));
		if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0)
			return cr_err_sys(err, "unable to make %s its controlling terminal", path);
	}
	return 0;
}

/* Born with its session's terminal, which it had not: setsid(1) came later. */
static int leave_terminal(const struct task_image *t, struct cr_err *err)
{
	cr_auto_fd int fd = -1;

	if (t->task->tty_nr || t->task->outer_session || t->task->sid == t->task->pid)
		return 0;
	fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, TIOCNOTTY) < 0)
		return cr_err_sys(err, "unable to leave the terminal of its session");
	return 0;
}

int ttys_control(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_CONTROLLING_TERMINAL];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__ControllingTerminal *c = l->items[i];
		cr_auto_fd int fd = -1;
		char path[32];
		pid_t group = (pid_t)c->foreground;

		if (c->outside || c->sid != t->task->pid || !group)
			continue;
		fd = open_pty(r, c, path, sizeof(path));
		if (fd < 0 || ioctl(fd, TIOCSPGRP, &group) < 0)
			return cr_err_sys(err, "%s: foreground process group %d", path, (int)group);
	}
	return leave_terminal(t, err);
}

void ttys_foreground(struct restore *r)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_CONTROLLING_TERMINAL];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__ControllingTerminal *c = l->items[i];
		cr_auto_fd int fd = c->outside && c->foreground ? own_terminal() : -1;
		void (*old)(int);

		if (fd < 0)
			continue;
		/* Its shell takes it back when we end. */
		old = signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(fd, (pid_t)c->foreground);
		signal(SIGTTOU, old);
	}
}

static int tty_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Tty *t = msg;

	if (!terminal_of(r, t->terminal))
		return cr_err_set(err, CR_BAD_INPUT, "description %u: its terminal is missing",
				  t->id);
	return 0;
}

static int tty_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Tty *t = msg;
	const struct object_fd *o = object_find(r->ttys, r->n_ttys, t->id);
	int fd = o ? fcntl(o->fd[0], F_DUPFD_CLOEXEC, 0) : -1;

	return fd < 0 ? cr_err_sys(err, "unable to duplicate a terminal") : fd;
}

const struct file_ops tty_ops = {
	.kind = CR_KIND_TTY,
	.check = tty_check,
	.open = tty_open,
};

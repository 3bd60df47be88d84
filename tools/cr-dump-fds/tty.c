/* SPDX-License-Identifier: MIT */
/*
 * Terminals.  A pty whose both ends are in the tree is made anew; one whose
 * master is outside is the terminal that the tree was started on
 * (--shell-job).  The master, the slave and /dev/tty all lead to one Terminal,
 * which TIOCGDEV (3.8) names.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "clean.h"
#include "kinds.h"
#include "terminal.h"

#define TTY_ANY makedev(5, 0)
#define TTY_PTMX makedev(5, 2)

static bool match(const struct file *f)
{
	unsigned int ma = major(f->sb.st_rdev);

	if (f->target[0] != '/' || !S_ISCHR(f->sb.st_mode) || (f->flags & O_PATH))
		return false;
	return f->sb.st_rdev == TTY_ANY || f->sb.st_rdev == TTY_PTMX || terminal_is_pty(ma) ||
	       ma == 4;
}

static bool is_master(const struct file *f)
{
	return f->sb.st_rdev == TTY_PTMX;
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	unsigned int dev = 0;
	struct terminal *t;

	/* After a hangup only the slave's own number is left. */
	if (ioctl(f->own, TIOCGDEV, &dev) < 0 && errno != EIO)
		return cr_err_sys(err, "TIOCGDEV");
	t = terminal_get(d, dev ? terminal_dev(dev) : f->sb.st_rdev, err);
	if (!t)
		return -1;
	f->deferred = true;
	if (!dev)
		t->hung = f;
	else if (is_master(f))
		t->master = f;
	else if (!t->slave || f->sb.st_rdev != TTY_ANY)
		t->slave = f;
	return 0;
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	cr_auto_fd int fd = file_get(f, err);
	Cr__Tty m = CR__TTY__INIT;
	struct terminal *t;
	unsigned int dev = 0;

	if (fd < 0)
		return -1;
	if (ioctl(fd, TIOCGDEV, &dev) < 0 && errno != EIO)
		return cr_err_sys(err, "TIOCGDEV");
	t = terminal_get(d, dev ? terminal_dev(dev) : f->sb.st_rdev, err);
	if (!t || terminal_put(d, t, err) < 0)
		return -1;
	if (t->refused)
		return 0;
	m.id = f->id;
	m.open_flags = f->flags;
	m.terminal = t->id;
	m.master = is_master(f);
	m.path = f->target;
	m.hung_up = !dev && t->master;
	return cr_stage_put(d->st, CR_KIND_TTY, &m, err);
}

static int finish(struct dump *d, struct cr_err *err)
{
	int ret = terminal_sessions(d, err);

	terminal_free(d);
	return ret;
}

const struct file_kind kind_tty = {
	.name = "tty",
	.match = match,
	.dump = dump,
	.late = late,
	.finish = finish,
};

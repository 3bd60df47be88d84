/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include <asm/termbits.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "clean.h"
#include "holder.h"
#include "pty-bytes.h"

#define PTY_FIRST 136u	/* UNIX98_PTY_SLAVE_MAJOR */
#define PTY_LAST 143u

#define REMEDY_JOB "use --shell-job when it is the terminal you work on"
#define REMEDY_PTY REMEDY_JOB ", or --orphan-pts-master"

bool terminal_is_pty(unsigned int major_number)
{
	return major_number >= PTY_FIRST && major_number <= PTY_LAST;
}

dev_t terminal_dev(unsigned int encoded)
{
	return makedev((encoded >> 8) & 0xfff, (encoded & 0xff) | ((encoded >> 12) & 0xfff00));
}

struct terminal *terminal_get(struct dump *d, dev_t dev, struct cr_err *err)
{
	struct terminal *t = d->terminals;

	while (t && t->dev != dev)
		t = t->next;
	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t) {
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	t->dev = dev;
	t->next = d->terminals;
	t->id = t->next ? t->next->id + 1 : 1;
	d->terminals = t;
	return t;
}

static void fill_termios(const struct termios2 *in, Cr__Termios *out)
{
	out->c_iflag = in->c_iflag;
	out->c_oflag = in->c_oflag;
	out->c_cflag = in->c_cflag;
	out->c_lflag = in->c_lflag;
	out->c_line = in->c_line;
	out->c_cc.data = (uint8_t *)in->c_cc;
	out->c_cc.len = sizeof(in->c_cc);
	out->c_ispeed = in->c_ispeed;
	out->c_ospeed = in->c_ospeed;
}

/* Settings that nobody may change (TIOCSLCKTRMIOS); there are none, as a rule. */
static int fill_locked(int fd, Cr__Terminal *m, Cr__Termios *locked, struct cr_err *err)
{
	static const struct termios none;
	static struct termios tio;

	if (ioctl(fd, TIOCGLCKTRMIOS, &tio) < 0)
		return cr_err_sys(err, "TIOCGLCKTRMIOS");
	if (memcmp(&tio, &none, sizeof(tio)) == 0)
		return 0;
	locked->c_iflag = tio.c_iflag;
	locked->c_oflag = tio.c_oflag;
	locked->c_cflag = tio.c_cflag;
	locked->c_lflag = tio.c_lflag;
	locked->c_line = tio.c_line;
	locked->c_cc.data = tio.c_cc;
	locked->c_cc.len = sizeof(tio.c_cc);
	m->locked_settings = locked;
	return 0;
}

/* What both ends tell; @fd is the master when it is there. */
static int fill_state(int fd, Cr__Terminal *m, struct termios2 *tio, struct cr_err *err)
{
	struct winsize ws;

	if (ioctl(fd, TCGETS2, tio) < 0 || ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return cr_err_sys(err, "unable to read a terminal's state");
	fill_termios(tio, m->termios);
	m->rows = ws.ws_row;
	m->columns = ws.ws_col;
	m->xpixel = ws.ws_xpixel;
	m->ypixel = ws.ws_ypixel;
	return 0;
}

static int fill_master(int fd, Cr__Terminal *m, struct cr_err *err)
{
	struct pollfd pfd = { .fd = fd };
	int locked = 0, packet = 0;

	if (ioctl(fd, TIOCGPTLCK, &locked) < 0 || ioctl(fd, TIOCGPKT, &packet) < 0)
		return cr_err_sys(err, "unable to read a pty's state");
	m->locked = locked;
	m->packet = packet;
	m->no_slave = poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP);
	return 0;
}

static int refuse(struct dump *d, struct terminal *t, const char *what, const char *remedy,
		  struct cr_err *err)
{
	t->refused = true;
	return file_refuse(d,
			   t->slave  ? t->slave :
			   t->master ? t->master :
				       t->hung,
			   "terminal", what, remedy, err);
}

/* Each end has a mark of its own; the master's means nothing. */
static int fill_exclusive(const struct terminal *t, Cr__Terminal *m, struct cr_err *err)
{
	cr_auto_fd int fd = t->slave ? file_get(t->slave, err) : -1;
	int exclusive = 0;

	if (!t->slave)
		return 0;
	if (fd < 0)
		return -1;
	if (ioctl(fd, TIOCGEXCL, &exclusive) < 0)
		return cr_err_sys(err, "TIOCGEXCL");
	m->exclusive = exclusive;
	return 0;
}

/* Bytes that nobody has read yet; a line that is not complete does not count. */
static int unread(int fd)
{
	int n = 0;

	return ioctl(fd, TIOCINQ, &n) < 0 ? 0 : n;
}

/* Where the kernel cannot be looked at, TIOCINQ counts what it counts. */
static int put_unseen(struct dump *d, struct terminal *t, int master, Cr__Terminal *m,
		      struct cr_err *err)
{
	cr_auto_fd int slave = t->slave ? file_get(t->slave, err) : -1;
	char what[160];
	int n;

	if (t->slave && slave < 0)
		return -1;
	n = (m->orphan ? 0 : unread(master)) + (t->slave ? unread(slave) : 0);
	if (!n)
		return cr_stage_put(d->st, CR_KIND_TERMINAL, m, err);
	snprintf(what, sizeof(what), "%d bytes wait to be read from it", n);
	return refuse(d, t, what, "try again when they are read, or with CAP_BPF and CAP_PERFMON",
		      err);
}

/* With what is on its way through it; @fd: the master, or an orphan. */
static int put_bytes(struct dump *d, struct terminal *t, int fd, Cr__Terminal *m,
		     struct cr_err *err)
{
	struct kernel_peek *k = dump_peek(d);
	struct pty_bytes bytes = { 0 };
	char what[160];
	int ret;

	if (!k)
		return put_unseen(d, t, fd, m, err);
	ret = pty_bytes_look(k, fd, m, &bytes, what, sizeof(what), err);
	/* They are made by way of the slave, and the master sees when that is closed. */
	if (ret == 0 && m->output.len && !t->slave && !m->no_slave)
		ret = refuse(d, t,
			     "bytes wait to be read from the master, and its slave was never "
			     "opened: not supported",
			     "read them, or open it", err);
	else if (ret == 0)
		ret = cr_stage_put(d->st, CR_KIND_TERMINAL, m, err);
	else if (ret > 0)
		ret = refuse(d, t, what, "try again a little later", err);
	pty_bytes_free(&bytes);
	return ret;
}

/* 0: not known, of what was opened as /dev/tty. */
static dev_t devpts_of(struct file *slave)
{
	struct cr_err ignored;

	if (!file_target_is(slave, "/dev/pts/") || file_stat(slave, &ignored) < 0)
		return 0;
	return slave->sb.st_dev;
}

static int put_pty(struct dump *d, struct terminal *t, int master, Cr__Terminal *m,
		   struct cr_err *err)
{
	struct holder h;
	char what[160];

	if (fill_master(master, m, err) < 0 || fill_exclusive(t, m, err) < 0)
		return -1;
	if (!t->slave && !m->no_slave && holder_find(d, 0, 0, t->dev, &h)) {
		snprintf(what, sizeof(what), "its slave is outside of the tree, in pid %d (%s)",
			 (int)h.pid, h.comm);
		return refuse(d, t, what, "dump a tree that has both", err);
	}
	/* Its own terminal would be another one afterwards. */
	if (t->slave && holder_of_pty(d, devpts_of(t->slave), minor(t->dev), &h)) {
		holder_describe(&h, what, sizeof(what));
		return refuse(d, t, what, "close it there", err);
	}
	return put_bytes(d, t, master, m, err);
}

static int put_orphan(struct dump *d, struct terminal *t, Cr__Terminal *m, struct cr_err *err)
{
	cr_auto_fd int fd = file_get(t->slave, err);

	t->orphan = true;
	m->orphan = true;
	if (fd < 0 || fill_exclusive(t, m, err) < 0)
		return -1;
	return put_bytes(d, t, fd, m, err);
}

/* Only the slaves are in the tree. */
static int put_external(struct dump *d, struct terminal *t, Cr__Terminal *m, struct cr_err *err)
{
	bool pty = terminal_is_pty(major(t->dev));
	char what[160];

	if (t->hung)
		return refuse(d, t, "one of its descriptors was hung up, and its master is outside",
			      "close it", err);
	m->external = cr_stage_header(d->st)->shell_job;
	if (m->external)
		return cr_stage_put(d->st, CR_KIND_TERMINAL, m, err);
	if (pty && d->opts->orphan_pts_master)
		return put_orphan(d, t, m, err);
	snprintf(what, sizeof(what), "%s is outside of the tree",
		 pty ? "its master" : "the terminal");
	return refuse(d, t, what, pty ? REMEDY_PTY : REMEDY_JOB, err);
}

/* Of what was opened as /dev/tty, fstat(2) says nothing of the slave. */
static int node_of(const struct terminal *t, const struct file *f, struct stat *sb,
		   struct cr_err *err)
{
	cr_auto_fd int fd = f ? file_get(f, err) : -1;

	if (f && (fd < 0 || fstat(fd, sb) < 0))
		return cr_err_sys(err, "unable to look at a terminal");
	return f && S_ISCHR(sb->st_mode) && sb->st_rdev == t->dev;
}

static int fill_node(const struct terminal *t, Cr__Terminal *m, Cr__Node *node, struct cr_err *err)
{
	struct stat sb;
	char path[32];
	int ret;

	if (!m->pty)
		return 0;
	ret = node_of(t, t->slave, &sb, err);
	if (ret == 0)
		ret = node_of(t, t->hung, &sb, err);
	/* Another devpts has other terminals of that number. */
	if (ret == 0 && t->master &&
	    (file_target_is(t->master, "/dev/ptmx") ||
	     file_target_is(t->master, "/dev/pts/ptmx"))) {
		snprintf(path, sizeof(path), "/dev/pts/%u", m->pty - 1);
		ret = stat(path, &sb) == 0 && sb.st_rdev == t->dev;
	}
	if (ret <= 0)
		return ret;
	node->mode = sb.st_mode;
	node->uid = sb.st_uid;
	node->gid = sb.st_gid;
	m->node = node;
	return 0;
}

int terminal_put(struct dump *d, struct terminal *t, struct cr_err *err)
{
	struct file *f = t->master ? t->master : t->slave ? t->slave : t->hung;
	cr_auto_fd int fd = -1;
	Cr__Terminal m = CR__TERMINAL__INIT;
	Cr__Termios termios = CR__TERMIOS__INIT, locked = CR__TERMIOS__INIT;
	Cr__Node node = CR__NODE__INIT;
	struct termios2 tio = { 0 };

	if (t->put)
		return 0;
	t->put = true;
	m.terminal = t->id;
	m.dev = t->dev;
	m.termios = &termios;
	if (terminal_is_pty(major(t->dev)))
		m.pty = 1 + minor(t->dev) + ((major(t->dev) - PTY_FIRST) << 20);
	fd = file_get(f, err);
	if (fd < 0 || fill_node(t, &m, &node, err) < 0)
		return -1;
	if (fill_state(fd, &m, &tio, err) < 0) {
		/* Its master has been closed: every call gives EIO. */
		if (err->errnum != EIO || t->master)
			return -1;
		m.hangup = true;
		return cr_stage_put(d->st, CR_KIND_TERMINAL, &m, err);
	}
	if (fill_locked(fd, &m, &locked, err) < 0)
		return -1;
	if (tio.c_line != 0)
		return refuse(d, t, "its line discipline is not N_TTY: not supported", "", err);
	return t->master ? put_pty(d, t, fd, &m, err) : put_external(d, t, &m, err);
}

/* It cannot be taken away from the session that it will belong to. */
static int refuse_session(struct dump *d, const struct session *s, struct cr_err *err)
{
	dev_t dev = terminal_dev(s->tty_nr);
	char what[96];

	snprintf(what, sizeof(what), "the controlling terminal %u:%u of its session is outside",
		 major(dev), minor(dev));
	return cr_stage_refuse(d->st, s->sid, "", what, "dump a tree that has its master", err);
}

static int put_session(struct dump *d, const struct session *s, struct cr_err *err)
{
	Cr__ControllingTerminal m = CR__CONTROLLING_TERMINAL__INIT;
	const struct terminal *t = d->terminals;

	while (t && t->dev != terminal_dev(s->tty_nr))
		t = t->next;
	if (t && t->refused)
		return 0;
	/* That of a session outside comes with the session at the restore. */
	if (!s->outside && (!t || (!t->master && !t->orphan)))
		return refuse_session(d, s, err);
	m.sid = (uint32_t)s->sid;
	m.terminal = t ? t->id : 0;
	m.outside = s->outside;
	m.foreground = s->tpgid > 0 && process_of(d, s->tpgid) ? (uint32_t)s->tpgid : 0;
	return cr_stage_put(d->st, CR_KIND_CONTROLLING_TERMINAL, &m, err);
}

int terminal_sessions(struct dump *d, struct cr_err *err)
{
	for (const struct session *s = d->sessions; s; s = s->next)
		if (put_session(d, s, err) < 0)
			return -1;
	return 0;
}

void terminal_free(struct dump *d)
{
	struct terminal *t, *next;

	for (t = d->terminals; t; t = next) {
		next = t->next;
		free(t);
	}
	d->terminals = NULL;
}

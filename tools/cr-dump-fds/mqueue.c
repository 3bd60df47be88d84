/* SPDX-License-Identifier: MIT */
/*
 * POSIX message queues.  A queue belongs to the machine, like a file; what
 * waits in it cannot be read without being taken, so it stays there.  One whose
 * name is gone lives as long as its descriptions do: it can only be empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "clean.h"
#include "ghost.h"
#include "holder.h"
#include "kinds.h"

#define MQUEUE_MAGIC 0x19800202u
#define KIND "message queue"

/* Opened by a path of a mounted mqueue(7) file system it is a file. */
static bool match(const struct file *f)
{
	struct statfs fs;
	struct stat at;

	if (f->own < 0 || !S_ISREG(f->sb.st_mode) || fstatfs(f->own, &fs) < 0 ||
	    (uint32_t)fs.f_type != MQUEUE_MAGIC || f->target[0] != '/')
		return false;
	return lstat(f->target, &at) < 0 || at.st_dev != f->sb.st_dev || at.st_ino != f->sb.st_ino;
}

/* Reading it gives "QSIZE:0 NOTIFY:0 SIGNO:0 NOTIFY_PID:0"; the value that goes
 * with the signal is not told. */
static int notified(const struct dump *d, const struct file *f, pid_t *pid, struct cr_err *err)
{
	char text[128], *p;
	ssize_t n = pread(f->own, text, sizeof(text) - 1, 0);

	*pid = 0;
	if (n < 0 && errno == EBADF)	/* write-only */
		return 0;
	if (n < 0)
		return cr_err_sys(err, "unable to read its state");
	text[n] = '\0';
	p = strstr(text, "NOTIFY_PID:");
	*pid = p ? (pid_t)strtol(p + strlen("NOTIFY_PID:"), NULL, 10) : 0;
	if (*pid && !process_of(d, *pid))
		*pid = 0;
	return 0;
}

static int refuse(struct dump *d, const struct file *f, const char *what, const char *remedy,
		  struct cr_err *err)
{
	return file_refuse(d, f, KIND, what, remedy, err);
}

/* What is wrong with one without a name?  0: nothing, 1: it is refused. */
static int check_unlinked(struct dump *d, const struct file *f, const Cr__Mqueue *m,
			  struct cr_err *err)
{
	struct holder h;
	char what[160];

	if (m->messages) {
		snprintf(what, sizeof(what),
			 "it has no name any more, and %lu messages that would be lost",
			 (unsigned long)m->messages);
		return refuse(d, f, what, "receive them", err) < 0 ? -1 : 1;
	}
	if (holder_find(d, f->sb.st_dev, f->sb.st_ino, 0, &h)) {
		snprintf(what, sizeof(what),
			 "it has no name any more, and pid %d (%s) outside has it too", (int)h.pid,
			 h.comm);
		return refuse(d, f, what, "end that process, or dump a tree that has both", err) <
				       0 ?
			       -1 :
			       1;
	}
	return 0;
}

/* It may be one of another IPC namespace. */
static bool leads_to(const struct file *f, const char *name)
{
	cr_auto_fd int fd = mq_open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat at;

	return fd >= 0 && fstat(fd, &at) == 0 && at.st_dev == f->sb.st_dev &&
	       at.st_ino == f->sb.st_ino;
}

static int put(struct dump *d, struct file *f, Cr__Mqueue *m, struct cr_err *err)
{
	pid_t pid;
	int ret;

	if (notified(d, f, &pid, err) < 0)
		return -1;
	if (pid)
		return refuse(d, f, "a process of the tree waits for its signal (mq_notify)",
			      "take that back", err);
	if (!m->unlinked && !leads_to(f, m->name))
		return refuse(d, f, "its name does not lead to it", "close it", err);
	ret = m->unlinked ? check_unlinked(d, f, m, err) : 0;
	if (ret)
		return ret < 0 ? -1 : 0;
	return cr_stage_put(d->st, CR_KIND_MQUEUE, m, err);
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__Mqueue m = CR__MQUEUE__INIT;
	cr_auto_free char *name = strndup(f->target, cr_ghost_path_len(f->target));
	cr_auto_fd int fd = file_get(f, err);
	struct mq_attr a;
	int ret;

	if (fd < 0)
		return -1;
	if (!name)
		return cr_err_sys(err, "out of memory");
	if (mq_getattr(fd, &a) < 0)
		return cr_err_sys(err, "mq_getattr");
	m.id = f->id;
	m.open_flags = f->flags;
	m.pos = f->pos;
	m.unlinked = f->sb.st_nlink == 0;
	m.name = m.unlinked ? name : f->target;
	m.ino = f->sb.st_ino;
	m.mode = f->sb.st_mode;
	m.uid = f->sb.st_uid;
	m.gid = f->sb.st_gid;
	m.max_messages = (uint64_t)a.mq_maxmsg;
	m.message_size = (uint64_t)a.mq_msgsize;
	m.messages = (uint64_t)a.mq_curmsgs;
	f->own = fd;
	ret = put(d, f, &m, err);
	f->own = -1;
	return ret;
}

const struct file_kind kind_mqueue = {
	.name = "mqueue",
	.match = match,
	.late = late,
};

/* SPDX-License-Identifier: MIT */
/*
 * POSIX message queues: the one that is there, when it has the same shape, else
 * an empty one is made; with messages in it a queue cannot be made again.  They
 * are opened by the restorer, once each: a queue without a name is made with
 * its first description.
 */
#include "mqueues.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"

static struct made {
	const char *name;	/* NULL: taken away already */
	uint64_t ino;		/* of the record of one without a name */
	int fd;			/* -1: it has a name */
} * made;
static size_t n_made;

static uint64_t mqueue_object(const void *msg)
{
	const Cr__Mqueue *m = msg;

	return m->unlinked ? m->ino : 0;
}

static bool mqueue_early(const struct image *img, const struct file_image *f)
{
	(void)img;
	(void)f;
	return true;
}

static bool fits(const Cr__Mqueue *m, const struct mq_attr *a)
{
	return a->mq_maxmsg == (long)m->max_messages && a->mq_msgsize == (long)m->message_size;
}

static int mqueue_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Mqueue *m = msg;
	struct mq_attr a;
	mqd_t fd;

	if (m->name[0] != '/' || strchr(m->name + 1, '/'))
		return cr_err_set(err, CR_BAD_INPUT, "message queue %u: malformed name", m->id);
	if (m->unlinked)
		return 0;
	fd = mq_open(m->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return cr_err_sys(err, "message queue %s", m->name);
	if (fd < 0) {
		if (m->messages)
			refuse(r, 0, m->name,
			       "the message queue is missing; it had %lu messages, which are "
			       "not in the image",
			       (unsigned long)m->messages);
		return 0;
	}
	if (mq_getattr(fd, &a) == 0 && !fits(m, &a))
		refuse(r, 0, m->name,
		       "the message queue takes %ld messages of %ld bytes, it took %lu of %lu",
		       a.mq_maxmsg, a.mq_msgsize, (unsigned long)m->max_messages,
		       (unsigned long)m->message_size);
	mq_close(fd);
	return 0;
}

static int note(const char *name, uint64_t ino, int fd, struct cr_err *err)
{
	struct made *grown = realloc(made, (n_made + 1) * sizeof(*grown));

	if (!grown)
		return cr_err_sys(err, "out of memory");
	made = grown;
	made[n_made++] = (struct made){ name, ino, fd };
	return 0;
}

/* A queue of @name; it is the restore's as long as that can fail. */
static int make(const Cr__Mqueue *m, const char *name, struct cr_err *err)
{
	struct mq_attr a = {
		.mq_maxmsg = (long)m->max_messages,
		.mq_msgsize = (long)m->message_size,
	};
	cr_auto_fd int fd = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &a);

	if (fd < 0)
		return cr_err_sys(err, "unable to make message queue %s", name);
	if (fchown(fd, m->uid, m->gid) < 0 || fchmod(fd, m->mode & 07777) < 0) {
		mq_unlink(name);
		return cr_err_sys(err, "message queue %s: unable to set its owner and mode", name);
	}
	return cr_steal_fd(&fd);
}

static int open_flags(const Cr__Mqueue *m)
{
	/* Given here, O_CLOEXEC would stay among the flags that F_GETFL tells. */
	return (int)(m->open_flags & (O_ACCMODE | O_NONBLOCK));
}

static int open_named(const Cr__Mqueue *m, struct cr_err *err)
{
	int fd = mq_open(m->name, open_flags(m));

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? cr_err_sys(err, "unable to open message queue %s", m->name) : fd;
	fd = make(m, m->name, err);
	if (fd < 0)
		return -1;
	close(fd);
	if (note(m->name, 0, -1, err) < 0) {
		mq_unlink(m->name);
		return -1;
	}
	fd = mq_open(m->name, open_flags(m));
	return fd < 0 ? cr_err_sys(err, "unable to open message queue %s", m->name) : fd;
}

/* Under its own name when that is free, so that the kernel shows it. */
static int make_unlinked(struct restore *r, const Cr__Mqueue *m, struct cr_err *err)
{
	char other[64];
	const char *name = m->name;
	int fd = make(m, name, err);

	if (fd < 0 && err->errnum == EEXIST) {
		snprintf(other, sizeof(other), "/restored-%d-%u", (int)getpid(), m->id);
		name = other;
		fd = make(m, name, err);
	}
	if (fd < 0)
		return -1;
	mq_unlink(name);
	fd = file_stash(r, fd, err);
	if (fd < 0)
		return -1;
	return note(NULL, m->ino, fd, err) < 0 ? -1 : fd;
}

static int open_unlinked(struct restore *r, const Cr__Mqueue *m, struct cr_err *err)
{
	char path[40];
	int fd = -1;

	for (size_t i = 0; i < n_made && fd < 0; i++)
		if (!made[i].name && made[i].ino == m->ino)
			fd = made[i].fd;
	if (fd < 0)
		fd = make_unlinked(r, m, err);
	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, open_flags(m));
	return fd < 0 ? cr_err_sys(err, "unable to open message queue %s", m->name) : fd;
}

static int mqueue_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Mqueue *m = msg;

	int fd = m->unlinked ? open_unlinked(r, m, err) : open_named(m, err);

	if (fd >= 0 && m->pos && lseek(fd, (off_t)m->pos, SEEK_SET) < 0) {
		cr_err_sys(err, "message queue %s: lseek", m->name);
		close(fd);
		return -1;
	}
	return fd;
}

void mqueues_undo(void)
{
	for (size_t i = 0; i < n_made; i++)
		if (made[i].name)
			mq_unlink(made[i].name);
}

const struct file_ops mqueue_ops = {
	.kind = CR_KIND_MQUEUE,
	.object = mqueue_object,
	.early = mqueue_early,
	.check = mqueue_check,
	.open = mqueue_open,
};

/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "clean.h"
#include "inherit.h"
#include "owner.h"

static void to_flock(const Cr__FileLock *m, struct flock *fl)
{
	fl->l_type = (short)m->type;
	fl->l_whence = SEEK_SET;
	fl->l_start = (off_t)m->start;
	fl->l_len = m->end == UINT64_MAX ? 0 : (off_t)(m->end - m->start + 1);
}

/* An open that conflicts, and does not wait, begins to break it. */
static int start_break(const Cr__FileLock *m, int fd)
{
	cr_auto_fd int other = -1;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, (m->breaking == CR__LEASE_BREAK__TO_NONE ? O_WRONLY : O_RDONLY) |
				   O_NONBLOCK | O_CLOEXEC);
	if (other < 0)
		return errno == EWOULDBLOCK ? 0 : -1;
	errno = EPROTO;
	return -1;
}

/*
 * Who sets a lease becomes the owner of the file if it has none: it must not,
 * and with nobody there the signal of the break, which came before the dump,
 * does not come again.
 */
static int take_lease(const Cr__FileLock *m, int fd)
{
	if (fcntl(fd, F_SETLEASE, m->type) < 0 || fcntl(fd, F_SETOWN, 0) < 0)
		return -1;
	return m->breaking == CR__LEASE_BREAK__WHOLE ? 0 : start_break(m, fd);
}

static int take(const Cr__FileLock *m, int fd)
{
	struct flock fl = { 0 };

	switch (m->lock) {
	case CR__LOCK_KIND__FLOCK:
		return flock(fd, (m->type == F_WRLCK ? LOCK_EX : LOCK_SH) | LOCK_NB);
	case CR__LOCK_KIND__OFD:
		to_flock(m, &fl);
		return fcntl(fd, F_OFD_SETLK, &fl);
	case CR__LOCK_KIND__LEASE:
		return take_lease(m, fd);
	default:
		return 0;
	}
}

/* Has somebody else a lock in the way?  Nobody of the tree is there yet. */
static bool is_held(const Cr__FileLock *m, int fd, pid_t *by)
{
	struct flock fl = { 0 };

	*by = 0;
	/* Our own ends with the descriptor; its signal is one that is ignored. */
	if (m->lock == CR__LOCK_KIND__LEASE)
		return fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, m->type) < 0 &&
		       errno == EAGAIN;
	/* As an open one shares it, our own ends with the descriptor. */
	if (m->lock == CR__LOCK_KIND__FLOCK)
		return take(m, fd) < 0 && errno == EWOULDBLOCK;
	to_flock(m, &fl);
	if (fcntl(fd, F_OFD_GETLK, &fl) < 0 || fl.l_type == F_UNLCK)
		return false;
	*by = fl.l_pid;
	return true;
}

static bool stays_held(const Cr__FileLock *m, int fd, pid_t *by, unsigned int *wait_ms)
{
	while (is_held(m, fd, by)) {
		if (*wait_ms < COLLECT_LOOK_MS)
			return true;
		poll(NULL, 0, COLLECT_LOOK_MS);
		*wait_ms -= COLLECT_LOOK_MS;
	}
	return false;
}

static void check_one(struct restore *r, const Cr__FileLock *m, unsigned int *wait_ms)
{
	const struct file_image *f = image_file(&r->img, m->file);
	const Cr__Reg *reg = f && f->kind == CR_KIND_REG ? f->msg : NULL;
	uint32_t pid = f && f->first_user ? r->img.tasks[f->first_user - 1].task->pid : 0;
	cr_auto_fd int fd = -1;
	struct stat sb;
	pid_t by;

	/* What was handed to us may be locked by us. */
	if (!reg || !reg->ref || reg->ref->ghost || inherit_find(r, reg->ref->path) >= 0 ||
	    stat(reg->ref->path, &sb) < 0 || !S_ISREG(sb.st_mode))
		return;
	fd = open(reg->ref->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || !stays_held(m, fd, &by, wait_ms))
		return;
	if (by > 0)
		refuse(r, m->pid ? m->pid : pid, reg->ref->path, "its lock is held by pid %d",
		       (int)by);
	else
		refuse(r, m->pid ? m->pid : pid, reg->ref->path,
		       m->lock == CR__LOCK_KIND__LEASE ?
			       "it has a lease, and another process has it open" :
			       "its lock is held by another process");
}

/* Another process closes the table's spare descriptors, after it was set. */
static bool is_lost(const struct restore *r, const Cr__FileLock *m)
{
	const struct task_image *t = m->pid ? image_task(&r->img, m->pid) : NULL;

	return t && t->task->dead_leader && t->n_files_users;
}

void locks_check(struct restore *r)
{
	unsigned int wait_ms = COLLECT_MS; /* in all */
	const struct msg_list *l = &r->img.kinds[CR_KIND_FILE_LOCK];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__FileLock *m = l->items[i];

		check_one(r, m, &wait_ms);
		if (is_lost(r, m))
			refuse(r, m->pid, "file lock",
			       "a process without its main thread that shares its "
			       "descriptors cannot be given it");
	}
}

int locks_of_file(struct restore *r, uint32_t file, int fd, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_FILE_LOCK];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__FileLock *m = l->items[i];

		if (m->file != file || m->lock == CR__LOCK_KIND__POSIX)
			continue;
		if (take(m, fd) < 0)
			return cr_err_sys(err, errno == EAGAIN ? "another process has its lock" :
								 "unable to lock it");
	}
	return 0;
}

static int type_now(const Cr__FileLock *m)
{
	switch (m->breaking) {
	case CR__LEASE_BREAK__WHOLE:
		return (int)m->type;
	case CR__LEASE_BREAK__TO_READ:
		return F_RDLCK;
	default:
		return F_UNLCK;
	}
}

int leases_verify(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_FILE_LOCK];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__FileLock *m = l->items[i];
		cr_auto_fd int fd = -1;

		if (m->lock != CR__LOCK_KIND__LEASE)
			continue;
		fd = owner_get_file(r, m->file, err);
		if (fd < 0)
			return -1;
		if (fcntl(fd, F_GETLEASE) != type_now(m))
			return cr_err_set(err, CR_SYSTEM,
					  "file %u: another process has begun to break its lease "
					  "meanwhile",
					  m->file);
	}
	return 0;
}

int locks_of_process(struct restore *r, const struct task_image *t, struct vec *v, struct arena *a,
		     struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_FILE_LOCK];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__FileLock *m = l->items[i];
		struct flock *fl;

		if (m->pid != t->task->pid || m->lock != CR__LOCK_KIND__POSIX)
			continue;
		fl = arena_alloc(a, sizeof(*fl), err);
		if (!fl)
			return -1;
		to_flock(m, fl);
		vec_sys(v, LABEL_FILE_LOCK, SYS_fcntl, m->fd, F_SETLK, P(fl));
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

static void to_flock(const Cr__FileLock *m, struct flock *fl)
{
	fl->l_type = (short)m->type;
	fl->l_whence = SEEK_SET;
	fl->l_start = (off_t)m->start;
	fl->l_len = m->end == UINT64_MAX ? 0 : (off_t)(m->end - m->start + 1);
}

static int take(const Cr__FileLock *m, int fd)
{
	struct flock fl = { 0 };

	switch (m->kind) {
	case CR__LOCK_KIND__FLOCK:
		return flock(fd, (m->type == F_WRLCK ? LOCK_EX : LOCK_SH) | LOCK_NB);
	case CR__LOCK_KIND__OFD:
		to_flock(m, &fl);
		return fcntl(fd, F_OFD_SETLK, &fl);
	case CR__LOCK_KIND__LEASE:
		return fcntl(fd, F_SETLEASE, m->type);
	default:
		return 0;
	}
}

int locks_of_file(struct restore *r, uint32_t file, int fd, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_FILE_LOCK];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__FileLock *m = l->items[i];

		if (m->file != file || m->kind == CR__LOCK_KIND__POSIX)
			continue;
		if (take(m, fd) < 0)
			return cr_err_sys(err, errno == EAGAIN ? "another process has its lock" :
								 "unable to lock it");
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

		if (m->pid != t->task->pid || m->kind != CR__LOCK_KIND__POSIX)
			continue;
		fl = arena_alloc(a, sizeof(*fl), err);
		if (!fl)
			return -1;
		to_flock(m, fl);
		vec_sys(v, LABEL_FILE_LOCK, SYS_fcntl, m->fd, F_SETLK, P(fl));
	}
	return 0;
}

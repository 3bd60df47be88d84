/* SPDX-License-Identifier: MIT */
#include "owner.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "numbers.h"

int owner_get_file(struct restore *r, uint32_t id, struct cr_err *err)
{
	const struct file_image *f = image_file(&r->img, id);

	/* We have what several processes share, and what only a message has. */
	if (f && f->fd >= 0)
		return number_dup(r, f->fd, err);
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		for (size_t n = 0; t->fds && n < t->fds->n_fds; n++) {
			cr_auto_fd int pidfd = -1;
			int fd;

			if (t->fds->fds[n]->file != id)
				continue;
			pidfd = (int)syscall(SYS_pidfd_open, t->task->pid, 0);
			if (pidfd < 0)
				return cr_err_sys(err, "pidfd_open");
			fd = (int)syscall(SYS_pidfd_getfd, pidfd, t->fds->fds[n]->fd, 0);
			return fd < 0 ? cr_err_sys(err, "pidfd_getfd") : fd;
		}
	}
	return cr_err_set(err, CR_BAD_INPUT, "a file %u that nobody has", id);
}

/* The kernel notes who sets it: permission to signal is judged by that. */
static int set_as(int fd, const Cr__FileOwner *o, struct cr_err *err)
{
	struct f_owner_ex ex = { .type = (int)o->type, .pid = (pid_t)o->pid };
	uid_t uid, euid, suid;
	int ret;

	if (getresuid(&uid, &euid, &suid) < 0 || setresuid(o->uid, o->euid, 0) < 0)
		return cr_err_sys(err, "unable to set an owner as user %u", o->uid);
	ret = fcntl(fd, F_SETOWN_EX, &ex);
	if (ret < 0)
		cr_err_sys(err, "unable to make %u the owner of file %u", o->pid, o->file);
	if (setresuid(0, 0, 0) < 0 || setresuid(uid, euid, suid) < 0)
		return cr_err_sys(err, "unable to be root again");
	return ret;
}

static int restore_owner(struct restore *r, const Cr__FileOwner *o, struct cr_err *err)
{
	cr_auto_fd int fd = owner_get_file(r, o->file, err);

	if (fd < 0 || (o->pid && set_as(fd, o, err) < 0))
		return -1;
	if (o->signal && fcntl(fd, F_SETSIG, (int)o->signal) < 0)
		return cr_err_sys(err, "file %u: F_SETSIG", o->file);
	return 0;
}

int owner_set_async(struct restore *r, uint32_t file, int fd, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_FILE_OWNER];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__FileOwner *o = l->items[i];

		if (o->file == file && o->async &&
		    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) < 0)
			return cr_err_sys(err, "O_ASYNC");
	}
	return 0;
}

int owners_restore(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_FILE_OWNER];

	for (unsigned int i = 0; i < l->count; i++)
		if (restore_owner(r, l->items[i], err) < 0)
			return -1;
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "notify.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "msg.h"
#include "parse.h"

int notify_parse(const char *name)
{
	uint64_t n;

	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	if (cr_parse_u64(name, 10, 1, 64, &n) == 0)
		return (int)n;
	if (strcmp(name, "RTMIN") == 0)
		return SIGRTMIN;
	if (strncmp(name, "RTMIN+", 6) == 0)
		return cr_parse_u64(name + 6, 10, 0, (uint64_t)(SIGRTMAX - SIGRTMIN), &n) == 0 ?
			       SIGRTMIN + (int)n :
			       0;
	for (int sig = 1; sig < 32; sig++) {
		const char *known = sigabbrev_np(sig);

		if (known && strcmp(known, name) == 0)
			return sig;
	}
	return 0;
}

static const Cr__Fd *find_fd(const struct restore *r)
{
	const Cr__FdTable *table = r->img.tasks[0].fds;

	for (size_t i = 0; i < table->n_fds; i++)
		if (table->fds[i]->fd == (uint32_t)r->opts.notify_fd)
			return table->fds[i];
	return NULL;
}

void notify_check(struct restore *r)
{
	const Cr__Fd *fd = r->opts.notify_fd < 0 ? NULL : find_fd(r);
	const struct file_image *f = fd ? image_file(&r->img, fd->file) : NULL;
	char object[32];

	snprintf(object, sizeof(object), "fd %d", r->opts.notify_fd);
	if (r->opts.notify_fd >= 0 && !fd)
		refuse(r, r->img.tasks[0].task->pid, object, "--notify-fd: it is not open");
	if (f && f->kind != CR_KIND_EVENT_FD && f->kind != CR_KIND_PIPE && f->kind != CR_KIND_FIFO)
		refuse(r, r->img.tasks[0].task->pid, object,
		       "--notify-fd: it is no eventfd, pipe or fifo");
}

void notify_write(const struct restore *r)
{
	static const uint64_t one = 1;
	pid_t root = (pid_t)slot_at(r, 0)->pid;
	struct pollfd p = { .fd = -1, .events = POLLOUT };
	cr_auto_fd int pidfd = -1, fd = -1;

	if (r->opts.notify_fd < 0)
		return;
	pidfd = (int)syscall(SYS_pidfd_open, root, 0);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, r->opts.notify_fd, 0);
	p.fd = fd;
	/* Nobody reads before the tree runs: never wait. */
	if (fd < 0 || poll(&p, 1, 0) != 1 || p.revents != POLLOUT ||
	    write(fd, &one, sizeof(one)) != sizeof(one))
		cr_msg("pid %d: fd %d: --notify-fd: unable to write to it", (int)root,
		       r->opts.notify_fd);
}

int notify_build(const struct restore *r, const struct task_image *t, struct vec *v,
		 struct arena *a, struct cr_err *err)
{
	siginfo_t *info;

	if (!r->opts.notify || t->parent)
		return 0;
	info = arena_alloc(a, sizeof(*info), err);
	if (!info)
		return -1;
	info->si_signo = r->opts.notify;
	info->si_code = SI_QUEUE;
	info->si_pid = getppid();
	info->si_uid = getuid();
	info->si_value.sival_int = NOTIFY_VALUE;
	vec_sys(v, LABEL_SIGNAL, SYS_rt_sigqueueinfo, t->task->pid, info->si_signo, P(info));
	return 0;
}

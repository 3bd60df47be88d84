/* SPDX-License-Identifier: MIT */
#include "dnotify.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "clean.h"
#include "owner.h"

#define SWITCH "/proc/sys/fs/dir-notify-enable"

static bool enabled(void)
{
	cr_auto_file FILE *f = fopen(SWITCH, "re");

	return f && fgetc(f) == '1';
}

int dnotify_check(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_FILE_OWNER];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__FileOwner *o = l->items[i];

		for (size_t n = 0; n < o->n_watches; n++) {
			const Cr__DirNotify *w = o->watches[n];
			const struct task_image *t = image_task(&r->img, w->pid);
			char object[24];

			if (!t || task_is_zombie(t))
				return cr_err_set(
					err, CR_BAD_INPUT,
					"process %u, which watches a directory, is not there",
					w->pid);
			snprintf(object, sizeof(object), "fd %u", w->fd);
			if (!enabled())
				refuse(r, w->pid, object,
				       "it is watched by F_NOTIFY, which is not enabled here; write 1 to " SWITCH);
		}
	}
	return 0;
}

/* Whoever asks becomes the owner, if there is none. */
static int disown(struct restore *r, const Cr__FileOwner *o, struct cr_err *err)
{
	cr_auto_fd int fd = owner_get_file(r, o->file, err);

	if (fd < 0)
		return -1;
	return fcntl(fd, F_SETOWN, 0) < 0 ? cr_err_sys(err, "F_SETOWN") : 0;
}

static int watch(struct restore *r, const Cr__FileOwner *o, const Cr__DirNotify *w,
		 struct cr_tracee *th, uint64_t ip, struct cr_err *err)
{
	uint64_t args[6] = { w->fd, F_NOTIFY, w->mask };
	long result;

	if (cr_tracee_syscall(th, ip, SYS_fcntl, args, &result, err) < 0)
		return -1;
	if (result < 0)
		return cr_err_set(err, CR_SYSTEM, "pid %u: fd %u: F_NOTIFY: %s", w->pid, w->fd,
				  strerror((int)-result));
	return o->pid ? 0 : disown(r, o, err);
}

int dnotify_restore(struct restore *r, const struct task_image *t, struct cr_tracee *th,
		    uint64_t ip, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_FILE_OWNER];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__FileOwner *o = l->items[i];

		for (size_t n = 0; n < o->n_watches; n++)
			if (o->watches[n]->pid == t->task->pid &&
			    watch(r, o, o->watches[n], th, ip, err) < 0)
				return -1;
	}
	return 0;
}

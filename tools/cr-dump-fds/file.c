/* SPDX-License-Identifier: MIT */
/* An open file description, and who dumps it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dump.h"

int file_get(const struct file *f, struct cr_err *err)
{
	int fd = (int)syscall(SYS_pidfd_getfd, f->proc->pidfd, f->fd, 0);

	if (fd < 0)
		return cr_err_sys(err, "pid %d: fd %d: pidfd_getfd", (int)f->proc->pid, f->fd);
	return fd;
}

int file_stat(struct file *f, struct cr_err *err)
{
	char name[16];

	if (f->has_stat)
		return 0;
	snprintf(name, sizeof(name), "%d", f->fd);
	if (fstatat(f->proc->fd_dir, name, &f->sb, 0) < 0)
		return cr_err_sys(err, "pid %d: fd %d: unable to stat it", (int)f->proc->pid,
				  f->fd);
	f->has_stat = true;
	return 0;
}

const char *file_info(const struct file *f, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = f->info; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			return line + strspn(line, " \t");
		}
	}
	return NULL;
}

bool file_target_is(const struct file *f, const char *prefix)
{
	return strncmp(f->target, prefix, strlen(prefix)) == 0;
}

int file_refuse(struct dump *d, const struct file *f, const char *kind, const char *what,
		const char *remedy, struct cr_err *err)
{
	char object[32], text[400];

	snprintf(object, sizeof(object), "fd %d", f->fd);
	snprintf(text, sizeof(text), "%s (%.256s): %s", kind, f->target, what);
	return cr_stage_refuse(d->st, f->proc->pid, object, text, remedy, err);
}

void **kind_state(struct dump *d, const struct file_kind *kind)
{
	unsigned int i = 0;

	while (file_kinds[i] != kind)
		i++;
	return &d->state[i];
}

int file_dump(struct dump *d, struct file *f, struct cr_err *err)
{
	int ret;

	if (f->target[0] == '/' && file_stat(f, err) < 0)
		return -1;
	for (unsigned int i = 0; file_kinds[i]; i++) {
		if (!file_kinds[i]->match(f))
			continue;
		f->kind = file_kinds[i];
		break;
	}
	ret = f->kind->dump(d, f, err);
	free(f->info);
	f->info = NULL;
	return ret;
}

/* SPDX-License-Identifier: MIT */
/* An open file description, and who dumps it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "dump.h"
#include "external.h"
#include "flight.h"
#include "kernel-peek.h"
#include "owner.h"
#include "proc.h"

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

int file_info_number(const struct file *f, const char *name, int base, uint64_t *out,
		     struct cr_err *err)
{
	const char *p = file_info(f, name);
	char *end = NULL;

	*out = p ? strtoull(p, &end, base) : 0;
	if (!p || end == p)
		return cr_err_set(err, CR_SYSTEM, "fdinfo has no %s that is understood", name);
	return 0;
}

int file_info_again(struct file *f, struct cr_err *err)
{
	char name[64];

	snprintf(name, sizeof(name), "fdinfo/%d", f->fd);
	free(f->info);
	f->info = NULL;
	return cr_proc_read(f->proc->pid, name, &f->info, NULL, err);
}

bool file_target_is(const struct file *f, const char *prefix)
{
	return strncmp(f->target, prefix, strlen(prefix)) == 0;
}

const struct file *file_named(const struct file *f)
{
	while (f->proc->carrier)
		f = f->proc->carrier;
	return f;
}

int file_refuse(struct dump *d, const struct file *f, const char *kind, const char *what,
		const char *remedy, struct cr_err *err)
{
	const struct file *named = file_named(f);
	char object[32], text[440];

	snprintf(object, sizeof(object), "fd %d", named->fd);
	snprintf(text, sizeof(text), "%s%s (%.256s): %s",
		 f == named ? "" : "in a message in its queue: ", kind, f->target, what);
	return cr_stage_refuse(d->st, named->proc->pid, object, text, remedy, err);
}

struct kernel_peek *dump_peek(struct dump *d)
{
	if (!d->peek && !d->no_peek) {
		d->peek = kernel_peek_open();
		d->no_peek = !d->peek;
	}
	return d->peek;
}

void **kind_state(struct dump *d, const struct file_kind *kind)
{
	unsigned int i = 0;

	while (file_kinds[i] != kind)
		i++;
	return &d->state[i];
}

static int add_file(struct dump *d, struct file *f, struct cr_err *err)
{
	/* Room grows at each power of two. */
	if ((d->n_all & (d->n_all - 1)) == 0) {
		struct file **grown =
			realloc(d->all, (d->n_all ? d->n_all * 2 : 1) * sizeof(grown[0]));

		if (!grown)
			return cr_err_sys(err, "out of memory");
		d->all = grown;
	}
	d->all[d->n_all++] = f;
	f->id = d->n_all;
	return 0;
}

/*
 * Does the path lead to the file that we know it to be?  Then what is to be
 * known of it is known without a descriptor.
 */
static bool find_plain(const struct dump *d, struct file *f)
{
	if (!f->plain_dev || d->opts->external.count || lstat(f->target, &f->sb) < 0)
		return false;
	f->found = S_ISREG(f->sb.st_mode) && f->sb.st_dev == f->plain_dev && f->sb.st_ino == f->ino;
	f->has_stat = f->found;
	return f->found;
}

static int dump_as_kind(struct dump *d, struct file *f, struct cr_err *err)
{
	unsigned int i = 0;

	while (!file_kinds[i]->match(f))
		i++;
	f->kind = file_kinds[i];
	if (f->kind->dump)
		return f->kind->dump(d, f, err);
	f->deferred = true;
	return 0;
}

static int dump_own(struct dump *d, struct file *f, struct cr_err *err)
{
	const char *key;

	if (f->target[0] == '/') {
		if (fstat(f->own, &f->sb) < 0)
			return cr_err_sys(err, "fstat");
		f->has_stat = true;
	}
	key = external_key(d, f);
	if (key)
		return external_dump(d, f, key, err);
	if (!(f->flags & O_PATH) && owner_look(d, f, f->own, err) < 0)
		return -1;
	return dump_as_kind(d, f, err);
}

int file_dump(struct dump *d, struct file *f, struct cr_err *err)
{
	int ret;

	if (add_file(d, f, err) < 0)
		return -1;
	if (find_plain(d, f)) {
		ret = dump_as_kind(d, f, err);
	} else {
		f->own = file_get(f, err);
		if (f->own < 0)
			return -1;
		ret = dump_own(d, f, err);
		close(f->own);
		f->own = -1;
	}
	if (!f->deferred) {
		free(f->info);
		f->info = NULL;
	}
	return ret;
}

int files_finish(struct dump *d, struct cr_err *err)
{
	if (flights_dump(d, err) < 0)
		return -1;
	for (uint32_t i = 0; i < d->n_all; i++) {
		struct file *f = d->all[i];

		if (f->deferred && f->kind->late(d, f, err) < 0)
			return cr_err_wrap(err, "pid %d: fd %d (%s)", (int)f->proc->pid, f->fd,
					   f->target);
	}
	if (owners_finish(d, err) < 0)
		return -1;
	for (unsigned int i = 0; file_kinds[i]; i++)
		if (file_kinds[i]->finish && file_kinds[i]->finish(d, err) < 0)
			return -1;
	return flights_put(d, err);
}

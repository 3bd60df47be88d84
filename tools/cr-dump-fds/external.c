/* SPDX-License-Identifier: MIT */
#include "external.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool names(const char *key, const struct file *f)
{
	char text[80];

	if (strcmp(key, f->target) == 0)
		return true;
	snprintf(text, sizeof(text), "file[%" PRIx32 ":%" PRIx64 "]", f->mnt_id, f->ino);
	if (strcmp(key, text) == 0)
		return true;
	if (!f->has_stat || !S_ISCHR(f->sb.st_mode))
		return false;
	snprintf(text, sizeof(text), "tty[%" PRIx64 ":%" PRIx64 "]", (uint64_t)f->sb.st_rdev,
		 (uint64_t)f->sb.st_dev);
	return strcmp(key, text) == 0;
}

const char *external_key(const struct dump *d, const struct file *f)
{
	for (unsigned int i = 0; i < d->opts->external.count; i++)
		if (names(d->opts->external.items[i], f))
			return d->opts->external.items[i];
	return NULL;
}

int external_dump(struct dump *d, const struct file *f, const char *key, struct cr_err *err)
{
	Cr__External m = CR__EXTERNAL__INIT;
	struct stat sb;

	if (fstat(f->own, &sb) < 0)
		return cr_err_sys(err, "fstat");
	m.id = f->id;
	m.open_flags = f->flags;
	m.key = (char *)key;
	m.mode = sb.st_mode;
	m.pid = (uint32_t)f->proc->pid;
	m.fd = (uint32_t)f->fd;
	return cr_stage_put(d->st, CR_KIND_EXTERNAL, &m, err);
}

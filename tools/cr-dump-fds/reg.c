/* SPDX-License-Identifier: MIT */
/* Regular files, directories, O_PATH, and devices without state. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "clean.h"
#include "fileref.h"
#include "kinds.h"
#include "natures.h"
#include "owner.h"

/* null, zero, full, random, urandom */
static bool stateless_device(const struct stat *sb)
{
	static const unsigned int minors[] = { 3, 5, 7, 8, 9 };

	if (!S_ISCHR(sb->st_mode) || major(sb->st_rdev) != 1)
		return false;
	for (size_t i = 0; i < sizeof(minors) / sizeof(minors[0]); i++)
		if (minor(sb->st_rdev) == minors[i])
			return true;
	return false;
}

static bool match(const struct file *f)
{
	if (f->target[0] != '/')
		return false;
	return (f->flags & O_PATH) || S_ISREG(f->sb.st_mode) || S_ISDIR(f->sb.st_mode) ||
	       stateless_device(&f->sb);
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__Reg m = CR__REG__INIT;
	Cr__FileRef ref = CR__FILE_REF__INIT;
	cr_auto_fd int fd = file_get(f, err);
	char kind[64];
	int ret;

	if (fd < 0)
		return -1;
	f->owner_seen = true;
	if (!(f->flags & O_PATH) && owner_look(d, f, fd, err) < 0)
		return -1;
	ret = cr_fileref_fill(fd, f->target, false, &ref, err);
	if (ret == 1) {
		nature_without_path(f, fd, kind, sizeof(kind));
		ret = file_refuse(d, f, kind, "not supported", "close it", err);
	} else if (ret == 0) {
		m.id = f->id;
		m.ref = &ref;
		m.open_flags = f->flags;
		m.pos = f->pos;
		ret = cr_stage_put(d->st, CR_KIND_REG, &m, err);
	}
	cr_fileref_release(&ref);
	return ret;
}

const struct file_kind kind_reg = { .name = "reg", .match = match, .dump = dump };

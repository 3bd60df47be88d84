/* SPDX-License-Identifier: MIT */
#include "image-names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "stream.h"

int cr_image_files_add(struct cr_image_files *files, const char *name, uint64_t size,
		       struct cr_err *err)
{
	unsigned int n = files->count;
	struct cr_image_file *grown;

	if ((n & (n - 1)) == 0) {	/* full: double it */
		grown = realloc(files->list, (n ? 2 * n : 1) * sizeof(*grown));
		if (!grown)
			return cr_err_sys(err, "out of memory");
		files->list = grown;
	}
	files->list[n].size = size;
	files->list[n].name = strdup(name);
	if (!files->list[n].name)
		return cr_err_sys(err, "out of memory");
	files->count++;
	files->sorted = false;
	return 0;
}

void cr_image_files_clear(struct cr_image_files *files)
{
	for (unsigned int i = 0; i < files->count; i++)
		free(files->list[i].name);
	free(files->list);
	memset(files, 0, sizeof(*files));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct cr_image_file *)a)->name,
		      ((const struct cr_image_file *)b)->name);
}

bool image_names_has(struct cr_image_files *files, const char *name)
{
	struct cr_image_file key = { .name = (char *)name };

	if (!files->count)
		return false;
	if (!files->sorted)
		qsort(files->list, files->count, sizeof(key), by_name);
	files->sorted = true;
	return bsearch(&key, files->list, files->count, sizeof(key), by_name) != NULL;
}

static int add_names_of(const struct cr_record *rec, struct cr_image_files *out, struct cr_err *err)
{
	const char *name;
	uint64_t size;
	int ret = 0;
	void *msg;

	if (rec->kind != CR_KIND_PAGES_FILE && rec->kind != CR_KIND_GHOST)
		return 0;
	msg = cr_record_unpack(rec, err);
	if (!msg)
		return -1;
	if (cr_image_bulk_of(rec->kind, msg, &name, &size))
		ret = cr_image_files_add(out, name, size, err);
	cr_record_free_msg(msg);
	return ret;
}

int image_names_read(int dirfd, const char *manifest, struct cr_image_files *out)
{
	cr_auto_fd int fd = openat(dirfd, manifest, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct cr_reader *r = NULL;
	struct cr_record rec;
	struct cr_err err;
	int got;

	if (fd < 0)
		return errno == ENOENT ? 1 : -1;
	got = cr_reader_open(fd, manifest, &r, &err);
	while (got >= 0 && (got = cr_reader_next(r, &rec, &err)) > 0)
		got = add_names_of(&rec, out, &err);
	cr_reader_free(r);
	return got < 0 ? -1 : 0;
}

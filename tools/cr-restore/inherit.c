/* SPDX-License-Identifier: MIT */
#include "inherit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-kinds.h"
#include "numbers.h"
#include "opt.h"

/* Flags of a description that can be set. */
#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT)

static void parse_one(struct inherited *in, const char *text)
{
	char *end = NULL;
	long fd = -1;

	if (strncmp(text, "fd[", 3) == 0 && text[3] >= '0' && text[3] <= '9')
		fd = strtol(text + 3, &end, 10);
	if (fd < 0 || fd > 1 << 20 || !end || strncmp(end, "]:", 2) != 0 || !end[2])
		cr_opt_usage("--inherit-fd: '%s' is not fd[N]:KEY", text);
	if (fcntl((int)fd, F_GETFD) < 0)
		cr_opt_usage("--inherit-fd: '%s': descriptor %ld is not open", text, fd);
	in->fd = (int)fd;
	in->key = end + 2;
}

void inherit_parse(struct restore *r)
{
	const struct cr_opt_list *l = &r->opts.inherit_fds;

	if (!l->count)
		return;
	r->inherited = calloc(l->count, sizeof(*r->inherited));
	if (!r->inherited)
		cr_opt_usage("out of memory");
	for (unsigned int i = 0; i < l->count; i++)
		parse_one(&r->inherited[i], l->items[i]);
}

int inherit_keep(struct restore *r, struct cr_err *err)
{
	for (unsigned int i = 0; i < r->opts.inherit_fds.count; i++) {
		struct inherited *in = &r->inherited[i];

		in->fd = number_dup(r, in->fd, err);
		if (in->fd < 0)
			return cr_err_wrap(err, "the descriptor for %s", in->key);
	}
	return 0;
}

int inherit_find(const struct restore *r, const char *key)
{
	for (unsigned int i = 0; i < r->opts.inherit_fds.count; i++) {
		const char *own = r->inherited[i].key;

		/* CRIU writes paths without the slash in front. */
		if (strcmp(own, key) == 0 || (key[0] == '/' && strcmp(own, key + 1) == 0))
			return r->inherited[i].fd;
	}
	return -1;
}

int inherit_open(int from, uint32_t flags, struct cr_err *err)
{
	struct stat st;
	char path[40];
	int fd;

	if (fstat(from, &st) < 0)
		return cr_err_sys(err, "fstat of an inherited descriptor");
	/* A description of its own where that can be had: the flags of ours
	 * are those of whoever gave it to us. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", from);
	if (S_ISFIFO(st.st_mode)) {
		fd = open(path, (int)(flags & (O_ACCMODE | SETTABLE)) | O_CLOEXEC);
	} else {
		fd = fcntl(from, F_DUPFD_CLOEXEC, 0);
		if (fd >= 0 && (fcntl(fd, F_GETFL) & SETTABLE) != (int)(flags & SETTABLE))
			fcntl(fd, F_SETFL, (int)(flags & SETTABLE));
	}
	return fd < 0 ? cr_err_sys(err, "unable to use an inherited descriptor") : fd;
}

static bool access_fits(int fd, uint32_t flags)
{
	int have = fcntl(fd, F_GETFL) & O_ACCMODE;

	return have == O_RDWR || have == (int)(flags & O_ACCMODE);
}

static int external_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__External *m = msg;
	int fd = inherit_find(r, m->key);
	char object[32];
	struct stat st;

	snprintf(object, sizeof(object), "fd %u", m->fd);
	if (fd < 0) {
		refuse(r, m->pid, object,
		       "%s was left outside; give one with --inherit-fd fd[N]:%s", m->key, m->key);
		return 0;
	}
	if (fstat(fd, &st) < 0)
		return cr_err_sys(err, "fstat of an inherited descriptor");
	if ((st.st_mode & S_IFMT) != (m->mode & S_IFMT))
		refuse(r, m->pid, object, "what was given for %s is of another type", m->key);
	else if (!S_ISFIFO(st.st_mode) && !access_fits(fd, m->open_flags))
		refuse(r, m->pid, object, "what was given for %s is not open for that", m->key);
	return 0;
}

static int external_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__External *m = msg;

	return inherit_open(inherit_find(r, m->key), m->open_flags, err);
}

const struct file_ops external_ops = {
	.kind = CR_KIND_EXTERNAL,
	.check = external_check,
	.open = external_open,
};

/* SPDX-License-Identifier: MIT */
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "parse.h"

#define INFO_CHUNK 1024

/* The lines that every fdinfo starts with: pos, flags, mnt_id, ino (5.14). */
static int parse_info(struct slot *s)
{
	const char *p = s->info;
	char *end;

	if (strncmp(p, "pos:\t", 5) != 0)
		return -1;
	s->pos = strtoull(p + 5, &end, 10);
	if (strncmp(end, "\nflags:\t", 8) != 0)
		return -1;
	s->flags = (uint32_t)strtoul(end + 8, &end, 8);
	if (strncmp(end, "\nmnt_id:\t", 9) != 0)
		return -1;
	s->mnt_id = (uint32_t)strtoul(end + 9, &end, 10);
	if (strncmp(end, "\nino:\t", 6) != 0)
		return -1;
	s->ino = strtoull(end + 6, &end, 10);
	return *end == '\n' ? 0 : -1;
}

/* Read to the end; most texts are a hundred bytes, epoll's and inotify's long. */
static char *read_text(int fd)
{
	size_t size = INFO_CHUNK, fill = 0;
	char *buf = malloc(size), *grown;

	while (buf) {
		ssize_t n = read(fd, buf + fill, size - fill - 1);

		if (n < 0) {
			free(buf);
			return NULL;
		}
		fill += (size_t)n;
		/* A seq_file gives all that fits: what is far from full is whole. */
		if (n == 0 || fill < size / 2)
			break;
		size *= 2;
		grown = realloc(buf, size);
		if (!grown)
			free(buf);
		buf = grown;
	}
	if (buf)
		buf[fill] = '\0';
	return buf;
}

static char *read_link(int dir, const char *name)
{
	char buf[PATH_MAX + 16];
	ssize_t n = readlinkat(dir, name, buf, sizeof(buf) - 1);

	if (n < 0)
		return NULL;
	if ((size_t)n == sizeof(buf) - 1) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	buf[n] = '\0';
	return strdup(buf);
}

static int scan_slot(const struct process *p, int info_dir, struct slot *s, struct cr_err *err)
{
	cr_auto_fd int fd = -1;
	char name[16];

	snprintf(name, sizeof(name), "%d", s->fd);
	fd = openat(info_dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "fd %d: unable to open its fdinfo", s->fd);
	s->info = read_text(fd);
	if (!s->info)
		return cr_err_sys(err, "fd %d: unable to read its fdinfo", s->fd);
	if (parse_info(s) < 0)
		return cr_err_set(err, CR_SYSTEM, "fd %d: its fdinfo is not understood", s->fd);
	s->target = read_link(p->fd_dir, name);
	if (!s->target)
		return cr_err_sys(err, "fd %d: unable to read its link", s->fd);
	return 0;
}

static int add_slot(struct scan *sc, unsigned int *room, int fd)
{
	if (sc->count == *room) {
		unsigned int want = *room ? *room * 2 : 64;
		struct slot *grown = realloc(sc->slots, want * sizeof(*grown));

		if (!grown)
			return -1;
		sc->slots = grown;
		*room = want;
	}
	memset(&sc->slots[sc->count], 0, sizeof(sc->slots[0]));
	sc->slots[sc->count++].fd = fd;
	return 0;
}

static int by_fd(const void *a, const void *b)
{
	return ((const struct slot *)a)->fd - ((const struct slot *)b)->fd;
}

static int list_slots(const struct process *p, struct scan *sc, struct cr_err *err)
{
	cr_auto_dir DIR *dir = NULL;
	unsigned int room = 0;
	struct dirent *e;
	uint64_t fd;
	int copy = openat(p->fd_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (copy >= 0)
		dir = fdopendir(copy);
	if (!dir)
		return cr_err_sys(err, "unable to list its descriptors");
	errno = 0;
	while ((e = readdir(dir))) {
		if (cr_parse_u64(e->d_name, 10, 0, INT_MAX, &fd) < 0)
			continue;
		if (add_slot(sc, &room, (int)fd) < 0)
			return cr_err_sys(err, "out of memory");
	}
	if (errno)
		return cr_err_sys(err, "unable to list its descriptors");
	if (sc->count)
		qsort(sc->slots, sc->count, sizeof(sc->slots[0]), by_fd);
	return 0;
}

int scan_table(const struct process *p, struct scan *out, struct cr_err *err)
{
	cr_auto_fd int info_dir = -1;
	char path[64];

	memset(out, 0, sizeof(*out));
	if (list_slots(p, out, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)p->pid);
	info_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (info_dir < 0)
		return cr_err_sys(err, "unable to open %s", path);
	for (unsigned int i = 0; i < out->count; i++)
		if (scan_slot(p, info_dir, &out->slots[i], err) < 0)
			return -1;
	return 0;
}

void scan_free(struct scan *s)
{
	for (unsigned int i = 0; i < s->count; i++) {
		free(s->slots[i].info);
		free(s->slots[i].target);
	}
	free(s->slots);
}

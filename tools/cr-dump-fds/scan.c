/* SPDX-License-Identifier: MIT */
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "parse.h"

#define INFO_CHUNK 1024
#define MANY 500u	/* so many are read by threads */
#define THREADS 2u
#define TAKE 64u	/* at once */

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

/* Read @s; fdinfo stays open when @keep_open. */
static int scan_slot(int fd_dir, int info_dir, struct slot *s, bool keep_open, struct cr_err *err)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%d", s->fd);
	fd = openat(info_dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "fd %d: unable to open its fdinfo", s->fd);
	s->info = read_text(fd);
	if (!keep_open)
		close(fd);
	if (!s->info)
		return cr_err_sys(err, "fd %d: unable to read its fdinfo", s->fd);
	if (parse_info(s) < 0)
		return cr_err_set(err, CR_SYSTEM, "fd %d: its fdinfo is not understood", s->fd);
	s->target = read_link(fd_dir, name);
	if (!s->target)
		return cr_err_sys(err, "fd %d: unable to read its link", s->fd);
	return 0;
}

/* Slots to be read by several threads. */
struct job {
	int fd_dir;
	int info_dir;
	struct slot *slots;
	unsigned int count;
	unsigned int next;	/* the first that nobody has taken */
	bool failed;
	struct cr_err err;	/* of the first that failed */
	pthread_mutex_t mutex;
};

/* The thread's own table of descriptors: 0 and 1 are the directories, and
 * whatever stands above is to be closed. */
static int own_table(const struct job *j)
{
	int fd_dir, info_dir;

	if (unshare(CLONE_FILES) < 0)
		return -1;
	fd_dir = fcntl(j->fd_dir, F_DUPFD_CLOEXEC, 2);
	info_dir = fcntl(j->info_dir, F_DUPFD_CLOEXEC, 2);
	if (fd_dir < 0 || info_dir < 0 || dup3(fd_dir, 0, O_CLOEXEC) < 0 ||
	    dup3(info_dir, 1, O_CLOEXEC) < 0)
		return -1;
	return (int)syscall(SYS_close_range, 2, ~0u, 0);
}

static void fail(struct job *j, const struct cr_err *err)
{
	pthread_mutex_lock(&j->mutex);
	if (!j->failed)
		j->err = *err;
	j->failed = true;
	pthread_mutex_unlock(&j->mutex);
}

static void *work(void *arg)
{
	struct job *j = arg;
	struct cr_err err;
	unsigned int i;

	if (own_table(j) < 0) {
		cr_err_sys(&err, "unable to get a descriptor table for a thread");
		fail(j, &err);
		return NULL;
	}
	while ((i = __atomic_fetch_add(&j->next, TAKE, __ATOMIC_RELAXED)) < j->count) {
		unsigned int end = j->count - i < TAKE ? j->count : i + TAKE;

		for (; i < end; i++)
			if (scan_slot(0, 1, &j->slots[i], true, &err) < 0) {
				fail(j, &err);
				return NULL;
			}
		syscall(SYS_close_range, 2, ~0u, 0);
	}
	return NULL;
}

static int scan_by_threads(struct job *j, struct cr_err *err)
{
	pthread_t threads[THREADS];
	unsigned int n = 0;

	while (n < THREADS && pthread_create(&threads[n], NULL, work, j) == 0)
		n++;
	if (n == 0)
		return cr_err_sys(err, "unable to start a thread");
	while (n)
		pthread_join(threads[--n], NULL);
	if (j->failed)
		*err = j->err;
	return j->failed ? -1 : 0;
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
	struct job j = { .fd_dir = p->fd_dir, .mutex = PTHREAD_MUTEX_INITIALIZER };
	cr_auto_fd int info_dir = -1;
	char path[64];

	memset(out, 0, sizeof(*out));
	if (list_slots(p, out, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)p->pid);
	info_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (info_dir < 0)
		return cr_err_sys(err, "unable to open %s", path);
	j.info_dir = info_dir;
	j.slots = out->slots;
	j.count = out->count;
	if (j.count >= MANY)
		return scan_by_threads(&j, err);
	for (unsigned int i = 0; i < j.count; i++)
		if (scan_slot(j.fd_dir, info_dir, &j.slots[i], false, err) < 0)
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

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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clean.h"
#include "kernel-table.h"
#include "msg.h"
#include "parse.h"
#include "proc.h"

#define INFO_CHUNK 1024
#define MANY 500u	/* so many are read by threads */
#define THREADS 2u
#define TAKE 64u	/* at once */
#define SAMPLE 256u	/* each so many rows of the kernel's are compared with /proc */
#define LOOK_AT 64u	/* children of the root */

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

	/* The kernel prints no path that is longer than a page. */
	if (n < 0 && errno == ENAMETOOLONG)
		return strdup(SCAN_TOO_LONG);
	if (n < 0)
		return NULL;
	if ((size_t)n == sizeof(buf) - 1)
		return strdup(SCAN_TOO_LONG);
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
			if (!j->slots[i].info && scan_slot(0, 1, &j->slots[i], true, &err) < 0) {
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

/* Files and directories have nothing in fdinfo but what a row has, and locks. */
static bool says_all(const struct kernel_row *r)
{
	return r->target && r->target[0] == '/' && !r->locks &&
	       (S_ISREG(r->mode) || S_ISDIR(r->mode));
}

/* Does /proc say the same? */
static bool agrees(const struct kernel_row *r, int fd_dir, int info_dir)
{
	struct slot s = { .fd = r->fd };
	struct cr_err ignored;
	bool same;

	same = scan_slot(fd_dir, info_dir, &s, false, &ignored) == 0 && s.pos == r->pos &&
	       s.flags == r->flags && s.mnt_id == r->mnt_id && s.ino == r->ino &&
	       (!r->target || strcmp(s.target, r->target) == 0);
	free(s.info);
	free(s.target);
	return same;
}

static int take_row(struct scan *sc, unsigned int *room, const struct kernel_row *r)
{
	struct slot *s;

	if (add_slot(sc, room, r->fd) < 0)
		return -1;
	s = &sc->slots[sc->count - 1];
	s->identity = r->identity;
	if (!says_all(r))
		return 0;	/* the rest is read like any other */
	s->pos = r->pos;
	s->flags = r->flags;
	s->mnt_id = r->mnt_id;
	s->ino = r->ino;
	if (S_ISREG(r->mode) && !r->special)
		s->dev = makedev(r->dev_major, r->dev_minor);
	s->info = strdup("");
	s->target = strdup(r->target);
	return s->info && s->target ? 0 : -1;
}

/*
 * What the kernel says, checked against /proc here and there: it depends on how
 * its structs look.  When it is not to be trusted for the first process, /proc
 * is read for all of them.
 */
static int rows_of_kernel(struct dump *d, const struct process *p, int info_dir, struct scan *sc,
			  struct cr_err *err)
{
	struct kernel_row *rows;
	unsigned int n, room = 0;

	if (kernel_table_read(d->kernel, p->pid, &rows, &n, err) < 0)
		return -1;
	for (unsigned int i = 0; i < n; i++) {
		if ((i % SAMPLE == 0 || i == n - 1) && !agrees(&rows[i], p->fd_dir, info_dir))
			return cr_err_set(err, CR_SYSTEM,
					  "fd %d: the kernel and /proc do not agree", rows[i].fd);
		if (take_row(sc, &room, &rows[i]) < 0)
			return cr_err_sys(err, "out of memory");
	}
	d->kernel_used = true;
	return 0;
}

static int find_slots(struct dump *d, const struct process *p, int info_dir, struct scan *sc,
		      struct cr_err *err)
{
	if (d->kernel) {
		if (rows_of_kernel(d, p, info_dir, sc, err) == 0)
			return 0;
		if (d->kernel_used)
			return -1;
		cr_debug("%s", err->msg);
		scan_free(sc);
		memset(sc, 0, sizeof(*sc));
		kernel_table_free(d->kernel);
		d->kernel = NULL;
	}
	return list_slots(p, sc, err);
}

/* 0: not known.  The size of the folder is their number since 6.2. */
static uint64_t count_descriptors(pid_t pid)
{
	char path[48];
	struct stat sb;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	return stat(path, &sb) < 0 ? 0 : (uint64_t)sb.st_size;
}

void scan_prepare(struct dump *d, pid_t root)
{
	cr_auto_free pid_t *kids = NULL;
	struct cr_err ignored;
	unsigned int n = 0;
	bool many = count_descriptors(root) >= MANY;

	if (!many && cr_proc_children(root, &kids, &n, &ignored) < 0)
		return;
	for (unsigned int i = 0; !many && i < n && i < LOOK_AT; i++)
		many = count_descriptors(kids[i]) >= MANY;
	if (!many)
		return;
	d->kernel = kernel_table_open();
	cr_debug("descriptors are read %s", d->kernel ? "by BPF" : "from /proc");
}

static int open_info_dir(const struct process *p, struct cr_err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)p->pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cr_err_sys(err, "unable to open %s", path) : fd;
}

/* What the slots lack. */
static int read_slots(const struct process *p, int info_dir, struct scan *out, struct cr_err *err)
{
	struct job j = { .fd_dir = p->fd_dir,
			 .info_dir = info_dir,
			 .slots = out->slots,
			 .count = out->count,
			 .mutex = PTHREAD_MUTEX_INITIALIZER };
	unsigned int left = 0;

	for (unsigned int i = 0; i < j.count; i++)
		left += !j.slots[i].info;
	if (left >= MANY)
		return scan_by_threads(&j, err);
	for (unsigned int i = 0; i < j.count; i++)
		if (!j.slots[i].info && scan_slot(j.fd_dir, info_dir, &j.slots[i], false, err) < 0)
			return -1;
	return 0;
}

int scan_table(struct dump *d, const struct process *p, struct scan *out, struct cr_err *err)
{
	cr_auto_fd int info_dir = open_info_dir(p, err);

	memset(out, 0, sizeof(*out));
	if (info_dir < 0 || find_slots(d, p, info_dir, out, err) < 0)
		return -1;
	return read_slots(p, info_dir, out, err);
}

/* All have an identity, or none has: as the tables before. */
static int find_some(struct dump *d, const struct process *p, const int *fds, unsigned int n,
		     struct scan *out, struct cr_err *err)
{
	struct kernel_row *rows = NULL;
	unsigned int n_rows = 0, room = 0;

	if (d->kernel_used && kernel_table_read(d->kernel, p->pid, &rows, &n_rows, err) < 0)
		return -1;
	for (unsigned int i = 0; i < n; i++) {
		unsigned int k = 0;
		int r;

		while (k < n_rows && rows[k].fd != fds[i])
			k++;
		if (d->kernel_used && k == n_rows)
			return cr_err_set(err, CR_SYSTEM, "the kernel does not tell of fd %d",
					  fds[i]);
		r = d->kernel_used ? take_row(out, &room, &rows[k]) : add_slot(out, &room, fds[i]);
		if (r < 0)
			return cr_err_sys(err, "out of memory");
	}
	if (out->count)
		qsort(out->slots, out->count, sizeof(out->slots[0]), by_fd);
	return 0;
}

int scan_some(struct dump *d, const struct process *p, const int *fds, unsigned int n,
	      struct scan *out, struct cr_err *err)
{
	cr_auto_fd int info_dir = open_info_dir(p, err);

	memset(out, 0, sizeof(*out));
	if (info_dir < 0 || find_some(d, p, fds, n, out, err) < 0)
		return -1;
	return read_slots(p, info_dir, out, err);
}

void scan_free(struct scan *s)
{
	for (unsigned int i = 0; i < s->count; i++) {
		free(s->slots[i].info);
		free(s->slots[i].target);
	}
	free(s->slots);
}

/* SPDX-License-Identifier: MIT */
#include "holder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clean.h"
#include "map.h"
#include "parse.h"
#include "proc.h"

#define PIPE "pipe:["
#define PTS "/dev/pts/"

/* What is open outside, and in which process. */
struct holders {
	struct map pipes;	/* by inode */
	struct map ptys;	/* by 1 + number, and by devpts too: see pty_key() */
};

static bool holds(pid_t pid, dev_t dev, ino_t ino, dev_t rdev)
{
	char path[64];
	cr_auto_dir DIR *dir = NULL;
	struct dirent *e;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (fstatat(dirfd(dir), e->d_name, &st, 0) < 0)
			continue;
		if (rdev ? S_ISCHR(st.st_mode) && st.st_rdev == rdev :
			   st.st_dev == dev && st.st_ino == ino)
			return true;
	}
	return false;
}

static void fill_holder(pid_t pid, struct holder *out)
{
	struct cr_proc_stat st;
	struct cr_err ignored;

	out->pid = pid;
	snprintf(out->comm, sizeof(out->comm), "?");
	if (cr_proc_stat(pid, &st, &ignored) == 0)
		memcpy(out->comm, st.comm, sizeof(out->comm));
}

bool holder_find(const struct dump *d, dev_t dev, ino_t ino, dev_t rdev, struct holder *out)
{
	cr_auto_dir DIR *proc = opendir("/proc");
	struct dirent *e;
	pid_t pid;

	while (proc && (e = readdir(proc))) {
		if (cr_parse_pid(e->d_name, &pid) < 0 || process_of(d, pid) || pid == getpid() ||
		    !holds(pid, dev, ino, rdev))
			continue;
		fill_holder(pid, out);
		return true;
	}
	return false;
}

static void note(struct map *map, uint64_t key, pid_t pid)
{
	struct cr_err ignored;

	/* Out of memory is found out soon enough. */
	if (!map_get(map, key) && map_put(map, key, (void *)(uintptr_t)pid, &ignored) < 0)
		return;
}

/* Each devpts begins at 0; its device is that of the node. */
static uint64_t pty_key(dev_t dev, uint64_t number)
{
	return (uint64_t)minor(dev) << 32 | (number + 1);
}

static void note_pty(struct holders *h, DIR *dir, const char *fd, uint64_t number, pid_t pid)
{
	struct stat st;

	note(&h->ptys, pty_key(0, number), pid);
	if (fstatat(dirfd(dir), fd, &st, 0) == 0)
		note(&h->ptys, pty_key(st.st_dev, number), pid);
}

static void note_all(struct holders *h, pid_t pid)
{
	char path[64], link[64];
	cr_auto_dir DIR *dir = NULL;
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		uint64_t number;

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (strncmp(link, PTS, strlen(PTS)) == 0 &&
		    cr_parse_u64(link + strlen(PTS), 10, 0, UINT32_MAX, &number) == 0)
			note_pty(h, dir, e->d_name, number, pid);
		if (strncmp(link, PIPE, strlen(PIPE)) != 0)
			continue;
		link[n - 1] = '\0';
		if (cr_parse_u64(link + strlen(PIPE), 10, 1, UINT64_MAX, &number) == 0)
			note(&h->pipes, number, pid);
	}
}

static struct holders *find_all(const struct dump *d)
{
	struct holders *h = calloc(1, sizeof(*h));
	cr_auto_dir DIR *proc = opendir("/proc");
	struct dirent *e;
	pid_t pid;

	while (h && proc && (e = readdir(proc)))
		if (cr_parse_pid(e->d_name, &pid) == 0 && !process_of(d, pid) && pid != getpid())
			note_all(h, pid);
	return h;
}

static const struct holders *holders_of(struct dump *d)
{
	if (!d->holders)
		d->holders = find_all(d);
	return d->holders;
}

static bool found(const struct map *map, uint64_t key, struct holder *out)
{
	pid_t pid = (pid_t)(uintptr_t)map_get(map, key);

	if (pid)
		fill_holder(pid, out);
	return pid != 0;
}

bool holder_of_pipe(struct dump *d, ino_t ino, struct holder *out)
{
	const struct holders *h = holders_of(d);

	return h && found(&h->pipes, ino, out);
}

bool holder_of_pty(struct dump *d, dev_t dev, unsigned int number, struct holder *out)
{
	const struct holders *h = holders_of(d);

	return h && found(&h->ptys, pty_key(dev, number), out);
}

void holder_describe(const struct holder *h, char *what, size_t size)
{
	snprintf(what, size, "it is open outside of the tree too, in pid %d (%s)", (int)h->pid,
		 h->comm);
}

void holders_free(struct dump *d)
{
	if (d->holders) {
		map_clear(&d->holders->pipes);
		map_clear(&d->holders->ptys);
	}
	free(d->holders);
	d->holders = NULL;
}

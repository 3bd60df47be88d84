/* SPDX-License-Identifier: MIT */
#include "holder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "map.h"
#include "parse.h"
#include "proc.h"

/* Pipes that are open outside, and in which process. */
struct holders {
	struct map pipes;
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

static void note_pipes(struct map *pipes, pid_t pid)
{
	char path[64], link[64];
	cr_auto_dir DIR *dir = NULL;
	struct cr_err ignored;
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		uint64_t ino;

		if (n < 7)
			continue;
		link[n - 1] = '\0';
		if (strncmp(link, "pipe:[", 6) == 0 &&
		    cr_parse_u64(link + 6, 10, 1, UINT64_MAX, &ino) == 0 && !map_get(pipes, ino) &&
		    map_put(pipes, ino, (void *)(uintptr_t)pid, &ignored) < 0)
			return;
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
			note_pipes(&h->pipes, pid);
	return h;
}

bool holder_of_pipe(struct dump *d, ino_t ino, struct holder *out)
{
	pid_t pid;

	if (!d->holders)
		d->holders = find_all(d);
	pid = d->holders ? (pid_t)(uintptr_t)map_get(&d->holders->pipes, ino) : 0;
	if (pid)
		fill_holder(pid, out);
	return pid != 0;
}

void holders_free(struct dump *d)
{
	if (d->holders)
		map_clear(&d->holders->pipes);
	free(d->holders);
	d->holders = NULL;
}

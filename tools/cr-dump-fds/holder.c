/* SPDX-License-Identifier: MIT */
#include "holder.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "parse.h"
#include "proc.h"

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

bool holder_find(const struct dump *d, dev_t dev, ino_t ino, dev_t rdev, struct holder *out)
{
	cr_auto_dir DIR *proc = opendir("/proc");
	struct cr_proc_stat st;
	struct cr_err ignored;
	struct dirent *e;
	pid_t pid;

	while (proc && (e = readdir(proc))) {
		if (cr_parse_pid(e->d_name, &pid) < 0 || process_of(d, pid) || pid == getpid() ||
		    !holds(pid, dev, ino, rdev))
			continue;
		out->pid = pid;
		snprintf(out->comm, sizeof(out->comm), "?");
		if (cr_proc_stat(pid, &st, &ignored) == 0)
			memcpy(out->comm, st.comm, sizeof(out->comm));
		return true;
	}
	return false;
}

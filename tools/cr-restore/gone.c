/* SPDX-License-Identifier: MIT */
#include "gone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "spare.h"

#define REST_MAX (1u << 20)

/* The pid of "/proc/42/task/43/stat", and what comes after "42/task/43", or
 * after "42" when it is no file of a thread. */
static const char *take_apart(const char *path, pid_t *pid, bool *thread)
{
	int end = 0, deep = 0, tid;

	if (sscanf(path, "/proc/%d%n", pid, &end) != 1 || *pid <= 0 ||
	    (path[end] && path[end] != '/'))
		return NULL;
	*thread = sscanf(path + end, "/task/%d%n", &tid, &deep) == 1;
	return path + end + (*thread ? deep : 0);
}

int gone_check(const Cr__Reg *m, struct cr_err *err)
{
	bool thread;
	pid_t pid;

	if (!m->ref || !take_apart(m->ref->path, &pid, &thread))
		return cr_err_set(err, CR_BAD_INPUT, "a file of no process that has ended");
	return 0;
}

static int open_of(pid_t pid, const Cr__Reg *m, int flags, struct cr_err *err)
{
	char path[PATH_MAX], task[32] = "";
	const char *rest;
	bool thread;
	pid_t was;
	int fd;

	rest = take_apart(m->ref->path, &was, &thread);
	if (thread)
		snprintf(task, sizeof(task), "/task/%d", (int)pid);
	if (snprintf(path, sizeof(path), "/proc/%d%s%s", (int)pid, task, rest) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return cr_err_sys(err, "%s", m->ref->path);
	}
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? cr_err_sys(err, "unable to open %s", path) : fd;
}

/*
 * What is opened stood at the end of its text, or is no such text.  A new position
 * has the text made anew, which is shorter of one that has ended; what it has
 * more than that is not for who reads on.
 */
static void set_position(int fd, uint64_t pos)
{
	char text[4096];
	uint64_t at = pos;
	ssize_t n;

	/* When it has ended there is no way up to there; in a file that has become
	 * shorter there is none now. */
	if (!pos || lseek(fd, (off_t)pos, SEEK_SET) < 0)
		return;
	while (at - pos < REST_MAX && (n = pread(fd, text, sizeof(text), (off_t)at)) > 0)
		at += (uint64_t)n;
}

/* Without a name its texts are the shortest. */
static pid_t start(struct restore *r, pid_t was, struct cr_err *err)
{
	struct cr_err taken = { 0 };
	char name[16] = "";
	pid_t pid;

	prctl(PR_GET_NAME, name);
	prctl(PR_SET_NAME, "");
	pid = spare_start(r, was, NULL, &taken);
	/* Somebody has that pid by now: then its name is another one. */
	if (pid < 0)
		pid = spare_start(r, 0, NULL, err);
	prctl(PR_SET_NAME, name);
	return pid;
}

int gone_open(struct restore *r, const Cr__Reg *m, int flags, struct cr_err *err)
{
	bool thread;
	pid_t was, pid;
	int fd;

	if (!take_apart(m->ref->path, &was, &thread))
		return cr_err_set(err, CR_BAD_INPUT, "%s: no file of a process", m->ref->path);
	pid = start(r, was, err);
	if (pid < 0)
		return -1;
	fd = open_of(pid, m, flags, err);
	if (spare_kill(pid, err) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (fd >= 0)
		set_position(fd, m->pos);
	spare_end(pid);
	return fd;
}

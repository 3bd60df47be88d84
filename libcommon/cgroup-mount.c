/* SPDX-License-Identifier: MIT */
#include "cgroup-mount.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup-text.h"
#include "clean.h"
#include "proc.h"

/* Is @word, up to a comma or its end, among the options? */
static bool has_option(const char *options, const char *word)
{
	size_t len = strcspn(word, ",");

	for (const char *p = options; *p; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, word, len) == 0 && (p[len] == ',' || !p[len]))
			return true;
	return false;
}

/* "36 35 0:29 ROOT MOUNT rw,... optional - cgroup cgroup rw,cpu,cpuacct" */
static int see_mount(char *line, struct cr_hierarchy *list, unsigned int count, struct cr_err *err)
{
	char root[PATH_MAX], mount[PATH_MAX], type[16], options[512], *rest;

	rest = strstr(line, " - cgroup");
	if (!rest || sscanf(rest, " - %15s %*s %511s", type, options) != 2 ||
	    sscanf(line, "%*u %*u %*s %4095s %4095s", root, mount) != 2)
		return 0;
	cr_proc_unescape(root);
	cr_proc_unescape(mount);
	for (unsigned int i = 0; i < count; i++) {
		struct cr_hierarchy *h = &list[i];

		if (h->mount || (strcmp(type, "cgroup2") == 0) != cr_cgroup_is_v2(h) ||
		    (!cr_cgroup_is_v2(h) && !has_option(options, h->controllers)))
			continue;
		h->mount = strdup(mount);
		h->root = strdup(strcmp(root, "/") == 0 ? "" : root);
		if (!h->mount || !h->root)
			return cr_err_sys(err, "out of memory");
	}
	return 0;
}

/* "memory 4 17 1": 17 cgroups in the hierarchy that has the controller. */
static void see_counts(struct cr_hierarchy *list, unsigned int count)
{
	cr_auto_file FILE *f = fopen("/proc/cgroups", "re");
	char line[256], name[64];
	unsigned int n;

	while (f && fgets(line, sizeof(line), f))
		for (unsigned int i = 0;
		     i < count && sscanf(line, "%63s %*u %u", name, &n) == 2 && n == 1; i++)
			list[i].single |= has_option(list[i].controllers, name);
}

unsigned int cr_cgroup_hierarchies(char *text, struct cr_hierarchy *list, unsigned int max)
{
	struct cr_cgroup_line line;
	unsigned int n = 0;

	while (n < max && cr_cgroup_next(&text, &line))
		list[n++] = (struct cr_hierarchy){ line.controllers, line.path, NULL, NULL, false };
	return n;
}

int cr_cgroup_find_mounts(struct cr_hierarchy *list, unsigned int count, struct cr_err *err)
{
	cr_auto_free char *mounts = NULL;
	char *save = NULL;

	if (cr_proc_read(getpid(), "mountinfo", &mounts, NULL, err) < 0)
		return -1;
	see_counts(list, count);
	for (char *l = strtok_r(mounts, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (see_mount(l, list, count, err) < 0)
			return -1;
	return 0;
}

bool cr_cgroup_dir(const struct cr_hierarchy *h, const char *path, char dir[PATH_MAX])
{
	size_t len = h->root ? strlen(h->root) : 0;

	if (!h->mount || strncmp(path, h->root, len) != 0 || (path[len] && path[len] != '/') ||
	    strstr(path, "/.."))
		return false;
	return snprintf(dir, PATH_MAX, "%s%s", h->mount, path + len) < PATH_MAX;
}

static bool file_says(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX + 32], buf[256];
	cr_auto_fd int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = '\0';
	return strstr(buf, text) != NULL;
}

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

long cr_cgroup_count(const struct cr_hierarchy *h, const char *dir, const pid_t *tids,
		     unsigned int n)
{
	char path[PATH_MAX + 32];
	cr_auto_file FILE *f = NULL;
	long found = 0;
	pid_t tid;

	snprintf(path, sizeof(path), "%s/%s", dir, cr_cgroup_is_v2(h) ? "cgroup.threads" : "tasks");
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fscanf(f, "%d", &tid) == 1)
		found += bsearch(&tid, tids, n, sizeof(*tids), by_number) != NULL;
	return found;
}

bool cr_cgroup_is_frozen(const struct cr_hierarchy *h, const char *dir)
{
	/* FREEZING and FROZEN; other hierarchies have no such file. */
	return cr_cgroup_is_v2(h) ? file_says(dir, "cgroup.events", "frozen 1") :
				    file_says(dir, "freezer.state", "FR");
}

bool cr_cgroup_is_threaded(const char *dir)
{
	/* "domain threaded" is one that has such below it. */
	return file_says(dir, "cgroup.type", "threaded") &&
	       !file_says(dir, "cgroup.type", "domain");
}

int cr_cgroup_move(const struct cr_hierarchy *h, const char *dir, bool process, pid_t tid)
{
	const char *file = process	      ? "cgroup.procs" :
			   cr_cgroup_is_v2(h) ? "cgroup.threads" :
						"tasks";
	char path[PATH_MAX + 32], text[16];
	cr_auto_fd int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return write(fd, text, (size_t)snprintf(text, sizeof(text), "%d", (int)tid)) < 0 ? -1 : 0;
}

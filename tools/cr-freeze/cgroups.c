/* SPDX-License-Identifier: MIT */
#include "cgroups.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup-mount.h"
#include "cgroup-text.h"
#include "clean.h"
#include "proc.h"
#include "schemas.h"

#define MAX_HIERARCHIES 64
#define FEW_THREADS 4

/* This program's own; none: the kernel has no cgroups. */
static struct cr_hierarchy hierarchies[MAX_HIERARCHIES];
static unsigned int n_hierarchies;

/* What is in the stream: the id is the index plus 1. */
static char **known;
static uint32_t n_known;

/* They are looked for once, when a process with many threads needs them. */
static bool know_mounts(void)
{
	static bool asked, known_now;
	struct cr_err ignored;

	if (!asked)
		known_now = cr_cgroup_find_mounts(hierarchies, n_hierarchies, &ignored) == 0;
	asked = true;
	return known_now;
}

int cgroups_prepare(pid_t root, struct cr_err *err)
{
	static char *text;
	struct stat sb;
	char dir[32];

	if (cr_proc_read(getpid(), "cgroup", &text, NULL, err) < 0)
		return err->errnum == ENOENT ? 0 : -1;
	n_hierarchies = cr_cgroup_hierarchies(text, hierarchies, MAX_HIERARCHIES);
	snprintf(dir, sizeof(dir), "/proc/%d/task", (int)root);
	if (stat(dir, &sb) == 0 && sb.st_nlink > FEW_THREADS + 2)
		(void)know_mounts();
	return 0;
}

static bool find(const char *text, uint32_t *id)
{
	/* Most are where the one before is. */
	for (*id = n_known; *id; --*id)
		if (strcmp(known[*id - 1], text) == 0)
			return true;
	return false;
}

static int remember(const char *text, uint32_t *id, struct cr_err *err)
{
	char **grown = realloc(known, (n_known + 1) * sizeof(*grown));

	if (!grown)
		return cr_err_sys(err, "out of memory");
	known = grown;
	known[n_known] = strdup(text);
	if (!known[n_known])
		return cr_err_sys(err, "out of memory");
	*id = ++n_known;
	return 0;
}

static const struct cr_hierarchy *find_hierarchy(const char *controllers)
{
	for (unsigned int i = 0; i < n_hierarchies; i++)
		if (strcmp(hierarchies[i].controllers, controllers) == 0)
			return &hierarchies[i];
	return NULL;
}

/* Cuts up the text. */
static int put(struct cr_writer *w, char *text, uint32_t id, struct cr_err *err)
{
	Cr__Cgroup list[MAX_HIERARCHIES], *items[MAX_HIERARCHIES];
	Cr__Cgroups m = CR__CGROUPS__INIT;
	struct cr_cgroup_line line;

	m.id = id;
	m.list = items;
	while (m.n_list < MAX_HIERARCHIES && cr_cgroup_next(&text, &line)) {
		const struct cr_hierarchy *own = find_hierarchy(line.controllers);
		Cr__Cgroup *c = items[m.n_list] = &list[m.n_list];

		cr__cgroup__init(c);
		c->controllers = line.controllers;
		c->path = line.path;
		c->dumped_inside = own && strcmp(own->own, line.path) == 0;
		m.n_list++;
	}
	return cr_writer_put(w, CR_KIND_CGROUPS, &m, err);
}

int cgroups_of(struct cr_writer *w, pid_t tid, uint32_t *id, struct cr_err *err)
{
	cr_auto_free char *text = NULL;

	*id = 0;
	if (!n_hierarchies)
		return 0;
	if (cr_proc_read(tid, "cgroup", &text, NULL, err) < 0)
		return -1;
	if (find(text, id))
		return 0;
	return remember(text, id, err) < 0 ? -1 : put(w, text, *id, err);
}

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

bool cgroups_may_differ(const struct cr_process *p, uint32_t id)
{
	cr_auto_free pid_t *tids = calloc(p->n_threads + 1, sizeof(*tids));
	cr_auto_free char *text = id ? strdup(known[id - 1]) : NULL;
	struct cr_cgroup_line line;
	char dir[PATH_MAX], *at = text;

	if (!id || p->n_threads < 2)
		return false;
	if (!tids || !text || p->n_threads <= FEW_THREADS || !know_mounts())
		return true;
	for (unsigned int k = 0; k < p->n_threads; k++)
		tids[k] = p->threads[k].tid;
	qsort(tids, p->n_threads, sizeof(*tids), by_number);
	while (cr_cgroup_next(&at, &line)) {
		const struct cr_hierarchy *h = find_hierarchy(line.controllers);

		if (h && h->single)
			continue;
		if (!h || !cr_cgroup_dir(h, line.path, dir) ||
		    cr_cgroup_count(h, dir, tids, p->n_threads) != (long)p->n_threads)
			return true;
	}
	return false;
}

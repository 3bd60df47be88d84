/* SPDX-License-Identifier: MIT */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup-mount.h"
#include "fault.h"
#include "msg.h"
#include "proc.h"

#define MAX_HIERARCHIES 64

static struct cr_hierarchy hierarchies[MAX_HIERARCHIES];
static unsigned int n_hierarchies;

/* A Cgroups record as it is here: a path for each of the hierarchies. */
struct set {
	const Cr__Cgroups *image;
	bool needed;
	const char *path[MAX_HIERARCHIES];
};

static struct set *sets;
static unsigned int n_sets;

static struct set *find_set(uint32_t id)
{
	for (unsigned int i = 0; id && i < n_sets; i++)
		if (sets[i].image->id == id)
			return &sets[i];
	return NULL;
}

static const char *name_of(const char *controllers)
{
	return controllers[0] ? controllers : "version 2";
}

/* One that a thread is in cannot be entered: why not? */
static const char *obstacle(const struct cr_hierarchy *h, const char *path)
{
	char dir[PATH_MAX], procs[PATH_MAX + 32];

	if (!cr_cgroup_dir(h, path, dir))
		return "cannot be seen here";
	if (access(dir, F_OK) < 0)
		return errno == ENOENT ? "is not there" : "cannot be looked at";
	if (cr_cgroup_is_frozen(h, dir))
		return "is frozen";
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", dir);
	return faccessat(AT_FDCWD, procs, W_OK, AT_EACCESS) < 0 ? "cannot be entered" : NULL;
}

static void check_place(struct restore *r, struct set *s, const Cr__Cgroup *c, uint32_t pid,
			unsigned int i)
{
	const struct cr_hierarchy *h = &hierarchies[i];
	const char *why;

	if (strcmp(c->path, h->own) == 0)
		return;
	why = obstacle(h, c->path);
	if (!why)
		s->path[i] = c->path;
	else if (c->dumped_inside)
		/* A session that is over, mostly. */
		cr_msg("pid %u: its cgroup %s (%s), which was cr-freeze's too, %s: it gets that of "
		       "this program",
		       pid, c->path, name_of(c->controllers), why);
	else
		refuse(r, pid, "", "its cgroup %s (%s) %s; provide it, or use --cgroups ignore",
		       c->path, name_of(c->controllers), why);
}

static void check_set(struct restore *r, struct set *s, uint32_t pid)
{
	s->needed = true;
	for (unsigned int i = 0; i < n_hierarchies; i++)
		s->path[i] = hierarchies[i].own;
	for (size_t n = 0; n < s->image->n_list; n++) {
		const Cr__Cgroup *c = s->image->list[n];
		unsigned int i = 0;

		while (i < n_hierarchies && strcmp(hierarchies[i].controllers, c->controllers) != 0)
			i++;
		if (i < n_hierarchies)
			check_place(r, s, c, pid, i);
		else if (strcmp(c->path, "/") != 0 && !c->dumped_inside)
			refuse(r, pid, "",
			       "its cgroup %s: there is no hierarchy '%s' here; use --cgroups ignore",
			       c->path, name_of(c->controllers));
	}
}

static int check_id(struct restore *r, uint32_t pid, uint32_t id, struct cr_err *err)
{
	struct set *s = find_set(id);

	if (id && !s)
		return cr_err_set(err, CR_BAD_INPUT, "pid %u: no cgroups %u", pid, id);
	if (s && !s->needed)
		check_set(r, s, pid);
	return 0;
}

static int read_own(struct cr_err *err)
{
	static char *text;

	if (cr_proc_read(getpid(), "cgroup", &text, NULL, err) < 0)
		return err->errnum == ENOENT ? 0 : -1;
	n_hierarchies = cr_cgroup_hierarchies(text, hierarchies, MAX_HIERARCHIES);
	return cr_cgroup_find_mounts(hierarchies, n_hierarchies, err);
}

int cgroups_check(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_CGROUPS];

	if (!l->count || r->opts.cgroups)
		return 0;
	if (read_own(err) < 0)
		return -1;
	sets = calloc(l->count, sizeof(*sets));
	if (!sets)
		return cr_err_sys(err, "out of memory");
	for (n_sets = 0; n_sets < l->count; n_sets++)
		sets[n_sets].image = l->items[n_sets];
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		if (check_id(r, t->task->pid, t->task->cgroups, err) < 0)
			return -1;
		for (unsigned int n = 0; n < t->n_threads; n++)
			if (check_id(r, t->task->pid, t->threads[n].thread->cgroups, err) < 0)
				return -1;
	}
	return 0;
}

/* Where the process of a birth is; NULL: where this program is. */
static const struct set *set_of(const struct restore *r, int index)
{
	for (; index != CR_OUTSIDE; index = r->family.births[index].maker) {
		const struct set *s = NULL;

		if (r->family.births[index].kind == CR_BIRTH_TASK)
			s = find_set(r->img.tasks[index].task->cgroups);
		if (s)
			return s;
	}
	return NULL;
}

static int no_move(const char *dir, struct cr_err *err)
{
	return cr_err_sys(err, "unable to enter the cgroup %s", dir);
}

/* A process whose threads are in threaded cgroups is in the one above them. */
static int enter(const struct cr_hierarchy *h, const char *path, struct cr_err *err)
{
	char dir[PATH_MAX], above[PATH_MAX], *slash;

	if (!cr_cgroup_dir(h, path, dir))
		return cr_err_set(err, CR_SYSTEM, "there is no cgroup %s any more", path);
	memcpy(above, dir, sizeof(above));
	while (cr_cgroup_is_v2(h) && cr_cgroup_is_threaded(above) && (slash = strrchr(above, '/')))
		*slash = '\0';
	if (cr_cgroup_move(h, above, true, 0) < 0)
		return no_move(above, err);
	if (strcmp(above, dir) != 0 && cr_cgroup_move(h, dir, false, 0) < 0)
		return no_move(dir, err);
	cr_fault("cgroup-entered");
	return 0;
}

int cgroups_join(const struct restore *r, unsigned int index, struct cr_err *err)
{
	const struct set *from, *to;

	if (!n_sets)
		return 0;
	from = set_of(r, r->family.births[index].maker);
	to = set_of(r, (int)index);
	for (unsigned int i = 0; to != from && i < n_hierarchies; i++) {
		const struct cr_hierarchy *h = &hierarchies[i];
		const char *path = to ? to->path[i] : h->own;

		if (strcmp(path, from ? from->path[i] : h->own) != 0 && enter(h, path, err) < 0)
			return -1;
	}
	return 0;
}

int cgroups_move_thread(const struct task_image *t, unsigned int n, pid_t tid, struct cr_err *err)
{
	const struct set *to = find_set(t->threads[n].thread->cgroups);
	const struct set *from = find_set(t->task->cgroups);
	char dir[PATH_MAX];

	for (unsigned int i = 0; to && i < n_hierarchies; i++) {
		if (from && strcmp(to->path[i], from->path[i]) == 0)
			continue;
		if (!cr_cgroup_dir(&hierarchies[i], to->path[i], dir) ||
		    cr_cgroup_move(&hierarchies[i], dir, false, tid) < 0)
			return no_move(to->path[i], err);
	}
	return 0;
}

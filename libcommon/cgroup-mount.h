/* SPDX-License-Identifier: MIT */
/* Where the hierarchies of cgroups are mounted, and the files of a cgroup. */
#ifndef CR_CGROUP_MOUNT_H
#define CR_CGROUP_MOUNT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "err.h"

/* One of those that this program is in itself. */
struct cr_hierarchy {
	const char *controllers;	/* v2: "" */
	const char *own;		/* the path of this program's cgroup there */
	char *mount;			/* NULL: nowhere that we can see */
	char *root;			/* the path that is mounted there */
	bool single;			/* it has one cgroup only */
};

/* Those of this program; @text is cut up and must stay.  Returns how many. */
unsigned int cr_cgroup_hierarchies(char *text, struct cr_hierarchy *list, unsigned int max);

/* Finds .mount, .root and .single of them. */
int cr_cgroup_find_mounts(struct cr_hierarchy *list, unsigned int count,
			  struct cr_err *err) CR_MUST;

static inline bool cr_cgroup_is_v2(const struct cr_hierarchy *h)
{
	return !h->controllers[0];
}

/* Its directory; false: it cannot be seen where the hierarchy is mounted. */
bool cr_cgroup_dir(const struct cr_hierarchy *h, const char *path, char dir[PATH_MAX]);

/* Do those in it stand still? */
bool cr_cgroup_is_frozen(const struct cr_hierarchy *h, const char *dir);

/* Move a thread, with its process or alone; 0: ourselves.  -1 with errno. */
int cr_cgroup_move(const struct cr_hierarchy *h, const char *dir, bool process, pid_t tid);

/* How many of the @n threads are in it; -1: that is not known.  The ids are sorted. */
long cr_cgroup_count(const struct cr_hierarchy *h, const char *dir, const pid_t *tids,
		     unsigned int n);

/* Of v2: can it have single threads only?  Then their process is in one above. */
bool cr_cgroup_is_threaded(const char *dir);

#endif

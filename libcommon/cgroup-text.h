/* SPDX-License-Identifier: MIT */
/* The text of /proc/PID/cgroup: where a thread is in each hierarchy, cgroups(7). */
#ifndef CR_CGROUP_TEXT_H
#define CR_CGROUP_TEXT_H

#include <stdbool.h>

/* Both point into the text, which is cut up. */
struct cr_cgroup_line {
	char *controllers;	/* "cpu,cpuacct", "name=systemd"; v2: "" */
	char *path;
};

/* The line at *@text, which moves on; false: there is none. */
bool cr_cgroup_next(char **text, struct cr_cgroup_line *line);

#endif

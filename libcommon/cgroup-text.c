/* SPDX-License-Identifier: MIT */
#include "cgroup-text.h"

#include <string.h>

/* "4:memory:/path"; only a path can have colons of its own. */
bool cr_cgroup_next(char **text, struct cr_cgroup_line *line)
{
	char *end, *first, *second;

	end = strchr(*text, '\n');
	if (!end)
		return false;
	*end = '\0';
	first = strchr(*text, ':');
	/* "name=a:b" cannot be: the kernel forbids it. */
	second = first ? strchr(first + 1, ':') : NULL;
	if (!second)
		return false;
	*second = '\0';
	*line = (struct cr_cgroup_line){ first + 1, second + 1 };
	*text = end + 1;
	return true;
}

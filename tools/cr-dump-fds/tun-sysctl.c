/* SPDX-License-Identifier: MIT */
#include "tun-sysctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"

#define VALUE 128

/* false: it cannot be read, as a secret that is not set. */
static bool read_value(const char *area, const char *of, const char *what, char value[VALUE])
{
	char path[PATH_MAX];
	cr_auto_fd int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/%s/%s", area, of, what);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, value, VALUE - 1);
	if (n <= 0)
		return false;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return true;
}

static int look_one(const char *area, const char *name, const char *what, Cr__TunLink *m,
		    struct cr_err *err)
{
	char now[VALUE], usual[VALUE], text[2 * VALUE + 300];
	char **grown;

	/* That of IPv6 follows the interface's own. */
	if (strcmp(what, "mtu") == 0 || !read_value(area, name, what, now) ||
	    (read_value(area, "default", what, usual) && strcmp(now, usual) == 0))
		return 0;
	snprintf(text, sizeof(text), "%s/%s=%s", area, what, now);
	grown = realloc(m->settings, (m->n_settings + 1) * sizeof(*grown));
	if (!grown)
		return cr_err_sys(err, "out of memory");
	m->settings = grown;
	grown[m->n_settings] = strdup(text);
	return grown[m->n_settings++] ? 0 : cr_err_sys(err, "out of memory");
}

int tun_sysctl_look(const char *name, Cr__TunLink *m, struct cr_err *err)
{
	static const char *const areas[] = { "ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh" };

	for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		char path[PATH_MAX];
		const struct dirent *e;
		int ret = 0;
		DIR *dir;

		snprintf(path, sizeof(path), "/proc/sys/net/%s/%s", areas[i], name);
		dir = opendir(path);
		while (ret == 0 && dir && (e = readdir(dir)))
			if (e->d_name[0] != '.')
				ret = look_one(areas[i], name, e->d_name, m, err);
		if (dir)
			closedir(dir);
		if (ret < 0)
			return -1;
	}
	return 0;
}

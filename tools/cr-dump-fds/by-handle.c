/* SPDX-License-Identifier: MIT */
#include "by-handle.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clean.h"
#include "fileref.h"
#include "proc.h"

/* Through one mount of the file system. */
static int try_mount(const char *mount, struct file_handle *h, Cr__FileRef *ref, struct cr_err *err)
{
	cr_auto_fd int mfd = open(mount, O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC), fd = -1;
	char link[40], path[PATH_MAX + 16];
	ssize_t n;

	if (mfd < 0)
		return 1;
	fd = open_by_handle_at(mfd, h, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return 1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return cr_err_sys(err, "unable to read the link %s", link);
	path[n] = '\0';
	return cr_fileref_fill(fd, path, false, ref, err);
}

int by_handle_ref(dev_t dev, int type, const uint8_t *handle, size_t len, Cr__FileRef *ref,
		  struct cr_err *err)
{
	cr_auto_free struct file_handle *h = malloc(sizeof(*h) + len);
	cr_auto_free char *text = NULL;
	char *save = NULL, *line;
	int ret = 1;

	if (!h)
		return cr_err_sys(err, "out of memory");
	h->handle_bytes = (unsigned int)len;
	h->handle_type = type;
	memcpy(h->f_handle, handle, len);
	if (cr_proc_read(getpid(), "mountinfo", &text, NULL, err) < 0)
		return -1;
	/* "36 35 98:0 /mnt1 /mnt2 rw,noatime ..." */
	for (char *p = text; ret == 1 && (line = strtok_r(p, "\n", &save)); p = NULL) {
		unsigned int ma, mi;
		char mount[PATH_MAX];

		if (sscanf(line, "%*u %*u %u:%u %*s %4095s", &ma, &mi, mount) != 3 ||
		    makedev(ma, mi) != dev)
			continue;
		cr_proc_unescape(mount);
		ret = try_mount(mount, h, ref, err);
	}
	return ret;
}

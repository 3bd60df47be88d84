/* SPDX-License-Identifier: MIT */
#include "boot.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"

bool boot_is_same(const struct restore *r)
{
	cr_auto_fd int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	const char *was = r->img.header->boot_id;
	char is[64];
	ssize_t n = fd < 0 ? -1 : read(fd, is, sizeof(is));

	return n > 0 && (size_t)n >= strlen(was) && strlen(was) > 0 &&
	       memcmp(is, was, strlen(was)) == 0;
}

/* SPDX-License-Identifier: MIT */
#include "cpu-features.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"

#define FIRST_CPU 8192	/* bytes: the flags line of the first CPU is within */
#define MAX_FLAGS 512

static uint64_t xcr0(void)
{
	uint32_t lo, hi;

	/* XGETBV; a 64-bit Linux of today always has OSXSAVE where it has AVX */
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

static int has_osxsave(void)
{
	uint32_t a = 1, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c & (1u << 27);
}

/* One read is the first CPU's part: the kernel formats a CPU at a time. */
static char *flags_line(char *buf)
{
	cr_auto_fd int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, FIRST_CPU - 1);
	char *p;

	if (n <= 0)
		return NULL;
	buf[n] = '\0';
	p = strstr(buf, "\nflags");
	p = p ? strchr(p, ':') : NULL;
	if (!p)
		return NULL;
	p[1 + strcspn(p + 1, "\n")] = '\0';
	return p + 1;
}

int cr_cpu_features(uint64_t *xfeatures, char **text, char ***flags, size_t *count,
		    struct cr_err *err)
{
	char *p, *word, *save = NULL;

	*xfeatures = has_osxsave() ? xcr0() : 3;
	*count = 0;
	*text = malloc(FIRST_CPU);
	*flags = malloc(MAX_FLAGS * sizeof(char *));
	if (!*text || !*flags)
		return cr_err_sys(err, "out of memory");
	p = flags_line(*text);
	for (; p && *count < MAX_FLAGS && (word = strtok_r(p, " ", &save)); p = save)
		(*flags)[(*count)++] = word;
	return 0;
}

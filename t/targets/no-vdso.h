/* SPDX-License-Identifier: MIT */
/*
 * A program without a vDSO.  What the C library would look up in there is asked
 * of the kernel instead.
 */
#ifndef NO_VDSO_H
#define NO_VDSO_H

#include <sys/mman.h>
#include <sys/syscall.h>

#include "target.h"

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	return (int)syscall(SYS_clock_gettime, clock, ts);
}

/* Unmap all whose name begins so: "[vdso]", "[vvar" */
static void unmap_named(const char *name)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long start, end, ends[8][2];
	char line[512];
	int n = 0;

	if (!f)
		t_fatal("maps");
	while (n < 8 && fgets(line, sizeof(line), f))
		if (strstr(line, name) && sscanf(line, "%lx-%lx", &start, &end) == 2) {
			ends[n][0] = start;
			ends[n++][1] = end;
		}
	fclose(f);
	for (int i = 0; i < n; i++)
		t_must(munmap((void *)ends[i][0], ends[i][1] - ends[i][0]));
}

#endif

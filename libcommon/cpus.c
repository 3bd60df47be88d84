/* SPDX-License-Identifier: MIT */
#include "cpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"

#define PATH "/sys/devices/system/cpu/possible"

/* "0-3", or "0-3,8-11": the last number. */
int cr_cpus_possible(uint32_t *out, struct cr_err *err)
{
	cr_auto_file FILE *f = fopen(PATH, "re");
	char line[4096], *last;
	unsigned long n;

	*out = 0;
	if (!f || !fgets(line, sizeof(line), f))
		return cr_err_sys(err, "unable to read %s", PATH);
	line[strcspn(line, "\n")] = '\0';
	last = line + strlen(line);
	while (last > line && last[-1] != '-' && last[-1] != ',')
		last--;
	n = strtoul(last, NULL, 10);
	if (n >= 1u << 20)
		return cr_err_set(err, CR_SYSTEM, "%s is not understood", PATH);
	*out = (uint32_t)n + 1;
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "vdso.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "crc32c.h"
#include "proc.h"

static int vdso_range(uint64_t *start, uint64_t *end, struct cr_err *err)
{
	cr_auto_free char *maps = NULL;
	char *line, *save = NULL;

	if (cr_proc_read(getpid(), "maps", &maps, NULL, err) < 0)
		return -1;
	for (line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strstr(line, "[vdso]") && sscanf(line, "%" SCNx64 "-%" SCNx64, start, end) == 2)
			return 0;
	*start = *end = 0;
	return 0;
}

int cr_vdso_own(struct cr_vdso *v, struct cr_err *err)
{
	static struct cr_vdso known;
	static bool looked;
	uint64_t start, end;

	if (!looked) {
		if (vdso_range(&start, &end, err) < 0)
			return -1;
		known.size = end - start;
		known.used = known.size;
		while (known.used && !((const uint8_t *)start)[known.used - 1])
			known.used--;
		known.digest = cr_crc32c(0, (const void *)start, known.used);
		known.start = (const uint8_t *)start;
		looked = true;
	}
	*v = known;
	return 0;
}

int cr_vdso_of(pid_t pid, uint64_t *start, struct cr_err *err)
{
	cr_auto_free char *text = NULL;
	size_t len;
	Elf64_auxv_t av;

	*start = 0;
	if (cr_proc_read(pid, "auxv", &text, &len, err) < 0)
		return -1;
	for (size_t i = 0; i + sizeof(av) <= len; i += sizeof(av)) {
		memcpy(&av, text + i, sizeof(av));
		if (av.a_type == AT_SYSINFO_EHDR)
			*start = av.a_un.a_val;
	}
	return 0;
}

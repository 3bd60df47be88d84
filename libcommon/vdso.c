/* SPDX-License-Identifier: MIT */
#include "vdso.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
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
	return cr_err_set(err, CR_REFUSED, "the kernel gives no vDSO; it is needed");
}

int cr_vdso_own(struct cr_vdso *v, struct cr_err *err)
{
	static struct cr_vdso known;
	uint64_t start, end;

	if (!known.start) {
		if (vdso_range(&start, &end, err) < 0)
			return -1;
		known.size = end - start;
		known.used = known.size;
		while (known.used && !((const uint8_t *)start)[known.used - 1])
			known.used--;
		known.digest = cr_crc32c(0, (const void *)start, known.used);
		known.start = (const uint8_t *)start;
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

#define ALIGN 16

/* Does the task have the kernel's vDSO there?  @copy gets what it has. */
static bool is_vdso(pid_t pid, const struct cr_vdso *own, uint64_t start, uint8_t *copy)
{
	struct iovec local = { copy, own->size }, remote = { (void *)start, own->size };

	return start && process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)own->size &&
	       memcmp(copy, own->start, own->used) == 0;
}

/* The mapping at @at; 0: the one that is called vDSO.  *@start is 0 for none. */
static int find_mapping(pid_t pid, uint64_t at, uint64_t *start, bool *executable,
			struct cr_err *err)
{
	cr_auto_free char *maps = NULL;
	char *line, *save = NULL, x;
	uint64_t from, to;

	*start = 0;
	*executable = false;
	if (cr_proc_read(pid, "maps", &maps, NULL, err) < 0)
		return -1;
	for (line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*2c%c", &from, &to, &x) != 3)
			continue;
		if (at ? at >= from && at < to : strstr(line, " [vdso]") != NULL) {
			*start = from;
			*executable = x == 'x';
			return 0;
		}
	}
	return 0;
}

int cr_vdso_room(pid_t pid, struct cr_vdso_room *room, struct cr_err *err)
{
	cr_auto_free uint8_t *copy = NULL;
	struct cr_vdso own;
	uint64_t start;
	bool ignored;
	size_t skip;

	memset(room, 0, sizeof(*room));
	if (cr_vdso_own(&own, err) < 0 || cr_vdso_of(pid, &start, err) < 0)
		return -1;
	copy = malloc(own.size);
	if (!copy)
		return cr_err_sys(err, "out of memory");
	if (!is_vdso(pid, &own, start, copy)) {
		/* Moved, or taken away. */
		if (find_mapping(pid, 0, &start, &ignored, err) < 0)
			return -1;
		if (!is_vdso(pid, &own, start, copy))
			return 0;
	}
	skip = (own.used + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (skip >= own.size)
		return 0;
	room->at = start + skip;
	room->size = own.size - skip;
	for (size_t i = skip; i < own.size; i++)
		room->used |= copy[i] != 0;
	return 0;
}

/* <linux/fs.h> of 6.11 */
struct procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY_NR _IOWR('f', 17, struct procmap_query)
#define PROCMAP_EXECUTABLE 4

int cr_vdso_executable(pid_t pid, uint64_t at, bool *yes, struct cr_err *err)
{
	struct procmap_query q = { .size = sizeof(q), .query_addr = at };
	cr_auto_fd int fd = -1;
	char path[64];
	uint64_t start;

	*yes = false;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "unable to open %s", path);
	if (ioctl(fd, PROCMAP_QUERY_NR, &q) < 0)
		return find_mapping(pid, at, &start, yes, err);
	*yes = (q.vma_flags & PROCMAP_EXECUTABLE) != 0;
	return 0;
}

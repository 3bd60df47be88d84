/* SPDX-License-Identifier: MIT */
#include "pagemap.h"
#include "room.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arch.h"
#include "clean.h"
#include "maps.h"
#include "proc.h"
#include "vdso.h"

#define ALIGN 16
#define NEEDED (2 * CR_EXIT_CODE_MAX)	/* or some threads could not be asked */
#define WANTED ((1 + CR_AGENT_GUESTS) * CR_EXIT_CODE_MAX)	/* more is of no use */
#define LOOKS 4	/* at bytes that an agent may be writing or clearing */

static bool read_at(pid_t pid, uint64_t at, void *to, size_t len)
{
	struct iovec local = { to, len }, remote = { (void *)at, len };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum |= p[i];
	return !sum;
}

static size_t align_up(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* Does the task have the kernel's vDSO there?  @copy gets what it has. */
static bool is_vdso(pid_t pid, const struct cr_vdso *own, uint64_t start, uint8_t *copy)
{
	return start && own->size && read_at(pid, start, copy, own->size) &&
	       memcmp(copy, own->start, own->used) == 0;
}

/* The mapping at @at; 0: the one that is called vDSO.  *@start is 0 for none. */
static int find_mapping(pid_t pid, uint64_t at, uint64_t *start, bool *executable,
			struct cr_err *err)
{
	cr_auto_free char *maps = NULL;
	char *line, *save = NULL, r, x;
	uint64_t from, to;

	*start = 0;
	*executable = false;
	if (cr_proc_read(pid, "maps", &maps, NULL, err) < 0)
		return -1;
	for (line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %c%*c%c", &from, &to, &r, &x) != 4)
			continue;
		if (at ? at >= from && at < to : strstr(line, " [vdso]") != NULL) {
			*start = from;
			*executable = r == 'r' && x == 'x';
			return 0;
		}
	}
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
#define PROCMAP_READABLE 1
#define PROCMAP_EXECUTABLE 4

/* May it read and execute what is mapped there?  PROCMAP_QUERY (6.11), or /proc/PID/maps. */
static int is_executable(pid_t pid, uint64_t at, bool *yes, struct cr_err *err)
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
	*yes = q.vma_flags & PROCMAP_READABLE && q.vma_flags & PROCMAP_EXECUTABLE;
	return 0;
}

int cr_room_in_vdso(bool *yes, struct cr_err *err)
{
	struct cr_vdso own;

	if (cr_vdso_own(&own, err) < 0)
		return -1;
	*yes = align_up(own.used) + NEEDED <= own.size;
	return 0;
}

static int in_vdso(pid_t pid, struct cr_room *room, struct cr_err *err)
{
	cr_auto_free uint8_t *copy = NULL;
	struct cr_vdso own;
	uint64_t start;
	bool executable;
	size_t skip;

	if (cr_vdso_own(&own, err) < 0 || cr_vdso_of(pid, &start, err) < 0)
		return -1;
	copy = malloc(own.size + 1);
	if (!copy)
		return cr_err_sys(err, "out of memory");
	if (!is_vdso(pid, &own, start, copy)) {
		/* Moved, or taken away. */
		if (find_mapping(pid, 0, &start, &executable, err) < 0)
			return -1;
		if (!is_vdso(pid, &own, start, copy))
			return 0;
	}
	skip = align_up(own.used);
	if (skip >= own.size)
		return 0;
	if (is_executable(pid, start, &executable, err) < 0)
		return -1;
	if (!executable)
		return 0;
	room->at = start + skip;
	room->size = own.size - skip;
	room->used = !is_zero(copy + skip, own.size - skip);
	return 0;
}

/* The head of the file that @m maps, from where the process has it mapped. */
static bool read_head(pid_t pid, const struct cr_maps *maps, const struct cr_map *m, uint8_t *head)
{
	for (unsigned int i = 0; i < maps->count; i++) {
		const struct cr_map *k = &maps->list[i];

		if (cr_map_has_file(k) && !k->pgoff && k->ino == m->ino &&
		    k->dev_major == m->dev_major && k->dev_minor == m->dev_minor)
			return read_at(pid, k->start, head, CR_PAGE);
	}
	return false;
}

/* Where the code of the segment that @m ends with ends in the file; 0: it is
 * not to be known, or not in the last page. */
static uint64_t code_end(const uint8_t *head, const struct cr_map *m)
{
	uint64_t last = m->pgoff + (m->end - m->start);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	memcpy(&eh, head, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_phentsize != sizeof(ph) || eh.e_phoff > CR_PAGE ||
	    eh.e_phnum > (CR_PAGE - eh.e_phoff) / sizeof(ph))
		return 0;
	for (unsigned int i = 0; i < eh.e_phnum; i++) {
		memcpy(&ph, head + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD && ph.p_flags & PF_X && ph.p_filesz == ph.p_memsz &&
		    ph.p_offset + ph.p_filesz < last && ph.p_offset + ph.p_filesz > last - CR_PAGE)
			return ph.p_offset + ph.p_filesz;
	}
	return 0;
}

/*
 * Zeroes, or ours.  An agent's first bytes are written first and cleared last
 * (inject.c), and what is read here comes in the order of the addresses.
 */
static bool is_free(pid_t pid, struct cr_room *room)
{
	uint8_t buf[CR_PAGE];

	for (int i = 0; i < LOOKS; i++) {
		if (!read_at(pid, room->at, buf, room->size))
			return false;
		room->used = cr_arch_is_exit_code(buf);
		if (room->used || is_zero(buf, room->size))
			return true;
	}
	return false;
}

static bool candidate(pid_t pid, const struct cr_maps *maps, const struct cr_map *m,
		      struct cr_room *room)
{
	uint8_t head[CR_PAGE];
	uint64_t end;

	if (!(m->prot & PROT_EXEC) || !(m->prot & PROT_READ) || m->pkey || m->shared ||
	    !cr_map_has_file(m) || !read_head(pid, maps, m, head))
		return false;
	end = code_end(head, m);
	if (!end)
		return false;
	room->at = align_up(m->start + (end - m->pgoff));
	room->size = m->end - room->at;
	if (room->size > WANTED)
		room->size = WANTED;
	room->in_file = true;
	return room->size >= CR_EXIT_CODE_MAX && is_free(pid, room);
}

int cr_room_in_files(pid_t pid, struct cr_room *room, struct cr_err *err)
{
	struct cr_maps maps;

	memset(room, 0, sizeof(*room));
	if (cr_maps_read(pid, &maps, err) < 0)
		return -1;
	for (unsigned int i = 0; i < maps.count && !room->used; i++) {
		struct cr_room r = { 0 };

		if (candidate(pid, &maps, &maps.list[i], &r) && (r.used || r.size > room->size))
			*room = r;
	}
	cr_maps_free(&maps);
	return 0;
}

int cr_room_find(pid_t pid, struct cr_room *room, struct cr_err *err)
{
	memset(room, 0, sizeof(*room));
	if (in_vdso(pid, room, err) < 0)
		return -1;
	return room->size >= NEEDED ? 0 : cr_room_in_files(pid, room, err);
}

/* SPDX-License-Identifier: MIT */
/*
 * The mappings of a process, from one read of /proc/PID/smaps: it is the only
 * file that has the flags (VmFlags, since 3.8), and reading it costs 1.4 us a
 * mapping and 3.5 ms/GiB of resident pages, less than asking PROCMAP_QUERY
 * (6.11) for each mapping and its name.
 *
 * cr_maps_read() returns them in order of address; release with
 * cr_maps_free().  The process should be frozen.  Errors: CR_SYSTEM.
 */
#ifndef CR_MAPS_H
#define CR_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "vma.h"

/* What a mapping may be that Vma.vma_flags has no bit for: for refusals. */
enum cr_map_odd {
	CR_MAP_HUGETLB = 1 << 0,	/* ht: huge pages whose size is not known */
	CR_MAP_IO = 1 << 1,		/* io */
	CR_MAP_PFN = 1 << 2,		/* pf: bare page frames */
	CR_MAP_MIXED = 1 << 3,		/* mm: some bare page frames */
	CR_MAP_SYNC = 1 << 4,		/* sf: MAP_SYNC of DAX */
	CR_MAP_UFFD = 1 << 5,		/* um, uw, ui: registered with a userfaultfd */
	CR_MAP_SHADOW_STACK = 1 << 6,	/* ss (6.6) */
	CR_MAP_UNKNOWN = 1 << 7,	/* a flag that is not known here: see .unknown */
};

struct cr_map {
	uint64_t start;
	uint64_t end;
	uint64_t pgoff;		/* in bytes */
	uint64_t ino;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint32_t prot;		/* PROT_* */
	uint32_t flags;		/* CR_VMA_*; CR_VMA_MAYWRITE of any mapping */
	uint32_t odd;		/* CR_MAP_* */
	uint32_t pkey;
	uint32_t name;		/* see cr_map_name() */
	bool shared;
	uint8_t huge_shift;	/* of the size of its huge pages, hugetlb.h; 0: none */
	char unknown[3];	/* the letters of the first unknown flag */
};

struct cr_maps {
	struct cr_map *list;
	unsigned int count;
	uint64_t total;		/* bytes, without [vsyscall]: vsize of proc_pid_stat(5) */
	unsigned int room;
	char *names;
	uint32_t names_fill;
	uint32_t names_room;
};

int cr_maps_read(pid_t pid, struct cr_maps *out, struct cr_err *err) CR_MUST;
/* Without what only smaps has, which takes a walk of all pages: .flags, .odd, .pkey
 * and .huge_shift are 0. */
int cr_maps_read_brief(pid_t pid, struct cr_maps *out, struct cr_err *err) CR_MUST;
void cr_maps_free(struct cr_maps *maps);

/*
 * Path or name as smaps prints it, "" for none.  Good for comparing and for
 * names in brackets, not for opening: a newline is escaped and a deleted file
 * has " (deleted)" behind it.
 */
const char *cr_map_name(const struct cr_maps *maps, const struct cr_map *m);

/* Has a file behind it. */
bool cr_map_has_file(const struct cr_map *m);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The files behind mappings, each looked at once whatever the number of
 * mappings and processes: regular files, deleted ones (a Ghost record each),
 * and the kernel's own shared memory (a Shmem record each, whose pages go to
 * the pool).
 */
#ifndef FILES_H
#define FILES_H

#include "dump.h"

struct mapped {
	enum nature {
		MAPPED_FILE,	/* .ref, to a Ghost when .ref.ghost is set */
		MAPPED_SHMEM,	/* .shmem */
		MAPPED_ZERO,	/* /dev/zero */
		MAPPED_REFUSED,	/* .kind and .remedy say why */
	} nature;
	Cr__FileRef ref;
	uint32_t shmem;
	char *kind;
	const char *remedy;
	bool rehearsed;		/* seen before the freeze: is it still that? */
	/* Of the last address space that has it: 1 + index in Mm.files. */
	uint64_t serial;
	uint32_t index;
};

int files_new(struct files **out, struct cr_err *err) CR_MUST;
void files_free(struct files *fs);

/* The file of mapping @m of a process; belongs to d->files.  *out is NULL when
 * a rehearsal cannot tell. */
int files_of_map(struct dump *d, pid_t pid, const struct cr_maps *maps, const struct cr_map *m,
		 struct mapped **out, struct cr_err *err) CR_MUST;

/* The program of a process. */
int files_of_exe(struct dump *d, pid_t pid, struct mapped **out, struct cr_err *err) CR_MUST;

#endif

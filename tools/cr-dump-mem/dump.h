/* SPDX-License-Identifier: MIT */
/* What the files of this program share. */
#ifndef DUMP_H
#define DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "image.h"
#include "maps.h"
#include "pool.h"
#include "stage.h"

struct files;
struct huge_files;
struct lister;
struct loans;

/* A process that is to be dumped. */
struct target {
	pid_t pid;
	pid_t eye;		/* a thread that still has its memory */
};

struct dump {
	struct cr_stage *st;
	const char *dir;	/* NULL: only say what there is */
	uint64_t ghost_limit;
	bool link_remap;	/* make a link to a deleted file that has others */
	bool embed;		/* carry a copy of every mapped file */
	int dirfd;		/* -1 without dir */
	int pages_fd;
	char pages_name[CR_IMAGE_NAME_MAX];
	struct pool *pool;	/* NULL without dir */
	struct loans *loans;	/* the same */
	struct lister *lister;	/* see pages.c; NULL before the first record */
	struct files *files;
	struct sysv *sysv;	/* see sysv.h */
	struct huge_files *huge;	/* see huge.h */
	struct target *targets;
	size_t n_targets;
	size_t next_target;	/* those before it are done */
	bool small;		/* the root was, before the freeze */
	bool frozen;		/* a record that says so has come */
	pid_t ahead_of;		/* whose maps these are; 0: nobody's */
	struct cr_maps ahead;
	bool rehearsal;		/* nothing is frozen yet, and nothing is said; see warm.h */
	uint64_t n_mappings;
	uint64_t n_spaces;	/* address spaces so far */
	uint64_t n_pages;	/* without dir: that there are */
};

/* All of one process; its pages may still be on their way when it returns. */
int mm_dump(struct dump *d, const struct target *t, struct cr_err *err) CR_MUST;

/* The first step of it, before it is known what there is to be dumped. */
void mm_look_ahead(struct dump *d, pid_t eye);

/* Give the batch to the pool, or without -D show it; takes it. */
int pages_add(struct dump *d, struct batch *b, struct cr_err *err) CR_MUST;

/* Wait for the pages; the records that say where they are. */
int pages_finish(struct dump *d, struct cr_err *err) CR_MUST;

/* Say that the mapping at @address is not supported. */
int refuse_vma(struct dump *d, pid_t pid, uint64_t address, const char *kind, const char *remedy,
	       struct cr_err *err) CR_MUST;

#endif

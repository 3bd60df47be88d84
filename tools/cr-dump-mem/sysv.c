/* SPDX-License-Identifier: MIT */
#include "sysv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "clean.h"
#include "hugetlb.h"
#include "pagemap.h"
#include "shmem.h"

#ifndef SHM_LOCKED
#define SHM_LOCKED 02000
#endif
#define FIRST_ID 0x40000000u	/* of Shmem records, apart from the other objects */

struct segment {
	int shmid;
	uint64_t size;
	uint64_t attached;	/* mappings of it in the system */
	uint64_t seen;		/* ... in the tree */
	pid_t pid;		/* one that has it */
	uint64_t address;
};

struct sysv {
	struct segment *list;
	uint32_t count;
};

static struct segment *add(struct dump *d, struct cr_err *err)
{
	struct segment *grown;

	if (!d->sysv)
		d->sysv = calloc(1, sizeof(*d->sysv));
	grown = d->sysv ? realloc(d->sysv->list, (d->sysv->count + 1) * sizeof(*grown)) : NULL;
	if (!grown) {
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	d->sysv->list = grown;
	memset(&grown[d->sysv->count], 0, sizeof(*grown));
	return &grown[d->sysv->count++];
}

/* The inode number of a segment's file is its id. */
int sysv_look(struct dump *d, int fd, const struct stat *sb, struct mapped *m, struct cr_err *err)
{
	Cr__Shmem s = CR__SHMEM__INIT;
	struct segment *g;
	struct shmid_ds ds;

	m->kind = NULL;
	if (shmctl((int)sb->st_ino, IPC_STAT, &ds) < 0) {
		if (errno != EINVAL && errno != EIDRM)
			return cr_err_sys(err, "shmctl");
		m->kind = strdup("a System V segment of another IPC namespace");
	} else if (ds.shm_perm.mode & SHM_LOCKED) {
		m->kind = strdup("a locked System V segment (SHM_LOCK)");
	}
	if (m->kind)
		return 1;
	g = add(d, err);
	if (!g)
		return -1;
	g->shmid = (int)sb->st_ino;
	g->size = ds.shm_segsz;
	g->attached = ds.shm_nattch;
	m->nature = MAPPED_SHMEM;
	m->shmem = FIRST_ID + d->sysv->count;
	s.id = m->shmem;
	s.size = ds.shm_segsz;
	s.name = (char *)"";
	s.mode = ds.shm_perm.mode & 0777;
	s.uid = ds.shm_perm.uid;
	s.gid = ds.shm_perm.gid;
	s.sysv = true;
	s.huge_shift = cr_huge_own_shift(sb->st_dev);
	s.shmid = (uint32_t)g->shmid;
	s.key = (uint32_t)ds.shm_perm.__key;
	s.removed = ds.shm_perm.mode & SHM_DEST;
	return shmem_put(d, fd, &s, err);
}

const char *sysv_note(struct dump *d, const struct mapped *m, const struct cr_map *map, pid_t pid)
{
	struct segment *g;

	if (m->nature != MAPPED_SHMEM || m->shmem < FIRST_ID)
		return NULL;
	g = &d->sysv->list[m->shmem - FIRST_ID - 1];
	g->seen++;
	g->pid = pid;
	g->address = map->start;
	return map->shared ? NULL : "a private mapping of a System V segment";
}

int sysv_finish(struct dump *d, struct cr_err *err)
{
	for (uint32_t i = 0; d->sysv && i < d->sysv->count; i++) {
		const struct segment *g = &d->sysv->list[i];

		if (g->attached > g->seen &&
		    refuse_vma(d, g->pid, g->address,
			       "a System V segment that is attached outside of the tree too",
			       "dump a tree that has all who use it", err) < 0)
			return -1;
	}
	return 0;
}

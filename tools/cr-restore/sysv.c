/* SPDX-License-Identifier: MIT */
#include "sysv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#include "clean.h"

#define NEXT_ID "/proc/sys/kernel/shm_next_id"
#define PAGE 4096ull

static int *made;
static size_t n_made;

const Cr__Shmem *sysv_of(const struct restore *r, const Cr__Vma *vma)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_SHMEM];

	for (unsigned int i = 0; vma->shmem && i < l->count; i++) {
		const Cr__Shmem *s = l->items[i];

		if (s->id == vma->shmem)
			return s->sysv ? s : NULL;
	}
	return NULL;
}

static key_t key_of(const Cr__Shmem *s)
{
	return s->removed ? IPC_PRIVATE : (key_t)s->key;
}

int sysv_check(struct restore *r, const Cr__Shmem *s, struct cr_err *err)
{
	char object[48];
	struct shmid_ds ds;
	int other;

	(void)err;
	snprintf(object, sizeof(object), "System V segment %u", s->shmid);
	if (shmctl((int)s->shmid, IPC_STAT, &ds) == 0) {
		if (s->removed || (uint32_t)ds.shm_perm.__key != s->key || ds.shm_segsz != s->size)
			refuse(r, 0, object, "another one has its id");
		else if (ds.shm_nattch)
			refuse(r, 0, object, "somebody has attached it");
		return 0;
	}
	if (access(NEXT_ID, W_OK) < 0)
		refuse(r, 0, object, "this kernel makes none of a given id (%s)", NEXT_ID);
	other = key_of(s) == IPC_PRIVATE ? -1 : shmget(key_of(s), 0, 0);
	if (other >= 0)
		refuse(r, 0, object, "segment %d has its key %#x", other, s->key);
	return 0;
}

static int ask_for(uint32_t id, struct cr_err *err)
{
	cr_auto_fd int fd = open(NEXT_ID, O_WRONLY | O_CLOEXEC);
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", id);

	if (fd < 0 || write(fd, text, (size_t)n) != n)
		return cr_err_sys(err, "unable to write %s", NEXT_ID);
	return 0;
}

static int create(const Cr__Shmem *s, struct cr_err *err)
{
	int id, *grown = realloc(made, (n_made + 1) * sizeof(*grown));

	if (!grown)
		return cr_err_sys(err, "out of memory");
	made = grown;
	if (ask_for(s->shmid, err) < 0)
		return -1;
	id = shmget(key_of(s), s->size, IPC_CREAT | IPC_EXCL | (int)(s->mode & 0777));
	if (id < 0)
		return cr_err_sys(err, "shmget of segment %u", s->shmid);
	made[n_made++] = id;
	if ((uint32_t)id != s->shmid)
		return cr_err_set(err, CR_SYSTEM, "System V segment %u: its id is taken", s->shmid);
	return 0;
}

static int set_owner(const Cr__Shmem *s, struct cr_err *err)
{
	struct shmid_ds ds;

	if (shmctl((int)s->shmid, IPC_STAT, &ds) < 0)
		return cr_err_sys(err, "shmctl");
	ds.shm_perm.uid = s->uid;
	ds.shm_perm.gid = s->gid;
	ds.shm_perm.mode = (unsigned short)(s->mode & 0777);
	return shmctl((int)s->shmid, IPC_SET, &ds) < 0 ? cr_err_sys(err, "shmctl") : 0;
}

/* The file behind it; it is empty then, as a new one is. */
static int open_memory(const Cr__Shmem *s, struct cr_err *err)
{
	size_t size = (s->size + PAGE - 1) & ~(PAGE - 1);
	char path[96];
	void *p = shmat((int)s->shmid, NULL, 0);
	int fd;

	if (p == (void *)-1)
		return cr_err_sys(err, "shmat of segment %u", s->shmid);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)p,
		 (unsigned long)p + size);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		cr_err_sys(err, "unable to open %s", path);
	else
		memset(p, 0, s->size);
	shmdt(p);
	return fd;
}

int sysv_make(const Cr__Shmem *s, struct cr_err *err)
{
	struct shmid_ds ds;

	if (shmctl((int)s->shmid, IPC_STAT, &ds) < 0 && create(s, err) < 0)
		return -1;
	return set_owner(s, err) < 0 ? -1 : open_memory(s, err);
}

int sysv_finish(const Cr__Shmem *s, struct cr_err *err)
{
	if (s->removed && shmctl((int)s->shmid, IPC_RMID, NULL) < 0)
		return cr_err_sys(err, "shmctl");
	return 0;
}

void sysv_undo(void)
{
	for (size_t i = 0; i < n_made; i++)
		shmctl(made[i], IPC_RMID, NULL);
}

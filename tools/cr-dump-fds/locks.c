/* SPDX-License-Identifier: MIT */
/*
 * A line of fdinfo is "lock:\t1: POSIX  ADVISORY  WRITE 4242 00:1a:77 0 EOF".
 * The lines of a descriptor are the locks of its description, and those that
 * its process has on the file by whichever descriptor.
 */
#include "locks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "peek.h"

struct lock {
	char kind[16];
	char state[16];
	char type[16];
	uint64_t start;
	uint64_t end;
	uint64_t dev_ino[3];
	Cr__LeaseBreak breaking;
};

/* A lock of the process, and a descriptor that it could have been set by. */
struct owned {
	struct lock lock;
	const struct slot *slot;
};

struct owned_list {
	struct owned *list;
	unsigned int count;
};

static int parse(const char *line, struct lock *l)
{
	char end[24];
	int n;

	memset(l, 0, sizeof(*l));
	n = sscanf(line,
		   "lock: %*d: %15s %15s %15s %*d %" SCNx64 ":%" SCNx64 ":%" SCNu64 " %" SCNu64
		   " %23s",
		   l->kind, l->state, l->type, &l->dev_ino[0], &l->dev_ino[1], &l->dev_ino[2],
		   &l->start, end);
	if (n != 8)
		return -1;
	l->end = strcmp(end, "EOF") == 0 ? UINT64_MAX : strtoull(end, NULL, 10);
	return 0;
}

static bool is(const struct lock *l, const char *kind)
{
	return strcmp(l->kind, kind) == 0;
}

static bool for_writing(const struct lock *l)
{
	return strcmp(l->type, "WRITE") == 0;
}

/* A read lock needs a readable descriptor, a write lock a writable one. */
static bool suits(const struct lock *l, const struct slot *s)
{
	uint32_t mode = s->flags & O_ACCMODE;

	return mode == O_RDWR || mode == (for_writing(l) ? O_WRONLY : O_RDONLY);
}

static int refuse(struct dump *d, pid_t pid, const struct slot *s, const struct lock *l,
		  const char *what, const char *remedy, struct cr_err *err)
{
	char object[32], text[240];

	snprintf(object, sizeof(object), "fd %d", s->fd);
	snprintf(text, sizeof(text), "file lock (%s %s of %.80s): %s", l->kind, l->type, s->target,
		 what);
	return cr_stage_refuse(d->st, pid, object, text, remedy, err);
}

static int put(struct dump *d, pid_t pid, const struct slot *s, const struct lock *l, int kind,
	       struct cr_err *err)
{
	Cr__FileLock m = CR__FILE_LOCK__INIT;

	m.file = s->file->id;
	m.pid = (uint32_t)pid;
	m.fd = pid ? (uint32_t)s->fd : 0;
	m.lock = (Cr__LockKind)kind;
	m.type = for_writing(l) ? F_WRLCK : F_RDLCK;
	m.start = l->start;
	m.end = l->end;
	m.breaking = l->breaking;
	return cr_stage_put(d->st, CR_KIND_FILE_LOCK, &m, err);
}

/*
 * While it is being broken the line tells only what it is to become.  What for
 * reading becomes nothing may have been of either type: see the kernel's.
 */
static int type_of_lease(struct dump *d, const struct slot *s, const char **type,
			 struct cr_err *err)
{
	struct peek p = { .kernel = dump_peek(d) };
	cr_auto_fd int fd = file_get(s->file, err);
	uint64_t file, head, at;

	if (fd < 0)
		return -1;
	if (!p.kernel)
		return 1;
	file = peek_file(&p, fd);
	at = peek_member(&p, file, "file", "f_inode", 8);
	at = peek_member(&p, at, "inode", "i_flctx", 8);
	head = peek_address(&p, at, "file_lock_context", "flc_lease");
	for (at = peek_u64(&p, head); at && at != head; at = peek_u64(&p, at)) {
		/* Since 6.9 a lease is a type of its own. */
		uint64_t l = at - peek_address(&p, 0, "file_lock_core", "flc_list");

		if (peek_member(&p, l, "file_lock_core", "flc_file", 8) != file)
			continue;
		*type = peek_member(&p, l, "file_lock_core", "flc_type", 1) == F_WRLCK ? "WRITE" :
											 "READ";
		return peek_fault(&p) ? 1 : 0;
	}
	return 1;
}

static int of_lease(struct dump *d, struct process *p, const struct slot *s, const struct lock *l,
		    struct cr_err *err)
{
	const char *type = "WRITE";
	struct lock was = *l;
	int ret = 0;

	if (strcmp(l->state, "ACTIVE") == 0)
		return put(d, 0, s, l, CR__LOCK_KIND__LEASE, err);
	if (strcmp(l->state, "BREAKING") != 0)
		return refuse(d, p->pid, s, l, "not supported", "release it", err);
	was.breaking = strcmp(l->type, "READ") == 0 ? CR__LEASE_BREAK__TO_READ :
						      CR__LEASE_BREAK__TO_NONE;
	/* Nobody gets one for reading while a file is open for writing. */
	if (was.breaking == CR__LEASE_BREAK__TO_NONE && (s->flags & O_ACCMODE) == O_RDONLY)
		ret = type_of_lease(d, s, &type, err);
	if (ret > 0)
		return refuse(d, p->pid, s, l,
			      "the lease is being broken, and this kernel does not tell its type",
			      "try again, or dump with CAP_BPF and CAP_PERFMON", err);
	snprintf(was.type, sizeof(was.type), "%s", type);
	return ret < 0 ? -1 : put(d, 0, s, &was, CR__LOCK_KIND__LEASE, err);
}

static int of_description(struct dump *d, struct process *p, const struct slot *s,
			  const struct lock *l, struct cr_err *err)
{
	if (is(l, "FLOCK"))
		return put(d, 0, s, l, CR__LOCK_KIND__FLOCK, err);
	if (is(l, "OFDLCK"))
		return put(d, 0, s, l, CR__LOCK_KIND__OFD, err);
	if (is(l, "LEASE"))
		return of_lease(d, p, s, l, err);
	return refuse(d, p->pid, s, l, "not supported", "release it", err);
}

static int add_owned(struct owned_list *own, const struct slot *s, const struct lock *l,
		     struct cr_err *err)
{
	struct owned *grown;

	for (unsigned int i = 0; i < own->count; i++) {
		struct owned *o = &own->list[i];

		if (memcmp(&o->lock, l, sizeof(*l)) != 0)
			continue;
		if (!suits(l, o->slot) && suits(l, s))
			o->slot = s;
		return 0;
	}
	grown = realloc(own->list, (own->count + 1) * sizeof(*grown));
	if (!grown)
		return cr_err_sys(err, "out of memory");
	own->list = grown;
	grown[own->count++] = (struct owned){ *l, s };
	return 0;
}

static int of_slot(struct dump *d, struct process *p, const struct slot *s, struct owned_list *own,
		   struct cr_err *err)
{
	const char *line = strstr(s->info, "\nlock:");
	struct lock l;

	if (line && !d->opts->file_locks) {
		if (parse(line + 1, &l) < 0)
			return cr_err_set(err, CR_SYSTEM, "a lock's fdinfo is not understood");
		return refuse(d, p->pid, s, &l, "not without --file-locks", "use --file-locks",
			      err);
	}
	for (; line; line = strstr(line + 1, "\nlock:")) {
		if (parse(line + 1, &l) < 0)
			return cr_err_set(err, CR_SYSTEM, "a lock's fdinfo is not understood");
		if (is(&l, "POSIX")) {
			if (add_owned(own, s, &l, err) < 0)
				return -1;
		} else if (!s->file->locks_seen && of_description(d, p, s, &l, err) < 0) {
			return -1;
		}
	}
	s->file->locks_seen = true;
	return 0;
}

int locks_dump(struct dump *d, struct process *p, const struct scan *sc, struct cr_err *err)
{
	struct owned_list own = { 0 };
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < sc->count; i++)
		ret = of_slot(d, p, &sc->slots[i], &own, err);
	for (unsigned int i = 0; ret == 0 && i < own.count; i++) {
		const struct owned *o = &own.list[i];

		/* The descriptor that it was set by may be gone. */
		if (suits(&o->lock, o->slot))
			ret = put(d, p->pid, o->slot, &o->lock, CR__LOCK_KIND__POSIX, err);
		else
			ret = refuse(d, p->pid, o->slot, &o->lock,
				     "no descriptor is left that could set it", "release it", err);
	}
	free(own.list);
	return ret;
}

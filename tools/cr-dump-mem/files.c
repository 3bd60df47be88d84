/* SPDX-License-Identifier: MIT */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "clean.h"
#include "fileref.h"
#include "ghost-link.h"
#include "ghost.h"
#include "hugetlb.h"
#include "proc.h"
#include "shmem.h"
#include "sysv.h"

/* Names as smaps prints them tell files with several links apart. */
struct entry {
	struct entry *next;
	uint64_t dev;
	uint64_t ino;
	char *name;
	struct mapped m;
};

struct known {	/* ids by identity */
	dev_t dev;
	ino_t ino;
	uint32_t id;
};

struct known_list {
	struct known *list;
	uint32_t count;
};

#define HEADS 1024

struct files {
	struct entry *heads[HEADS];
	struct known_list ghosts;
	struct known_list shmems;
	dev_t shm_dev;
};

/*
 * What is no file of bytes, by its file system or by the name that the kernel
 * gives to what has no type (st_mode) or no path.
 */
static const struct {
	unsigned long magic;	/* <linux/magic.h> */
	const char *prefix;
	const char *kind;
	const char *remedy;
} odd_files[] = {
	{ 0x5345434d, NULL, "secret memory (memfd_secret)", "unmap it" },
	{ 0x444d4142, NULL, "a DMA buffer", "close it before the dump" },
	{ 0, "anon_inode:[io_uring]", "an io_uring", "close it before the dump" },
	{ 0, "anon_inode:[perf_event]", "a perf event ring", "close it before the dump" },
	{ 0, "socket:", "memory of a socket (packet ring, TCP zero-copy)",
	  "close it before the dump" },
	{ 0, "", "an object of the kernel", "close it before the dump" },
};

int files_new(struct files **out, struct cr_err *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return cr_err_sys(err, "out of memory");
	return shmem_device(&(*out)->shm_dev, err);
}

static void free_entry(struct entry *e)
{
	cr_fileref_release(&e->m.ref);
	free(e->m.kind);
	free(e->name);
	free(e);
}

void files_free(struct files *fs)
{
	struct entry *e, *next;

	if (!fs)
		return;
	for (int i = 0; i < HEADS; i++)
		for (e = fs->heads[i]; e; e = next) {
			next = e->next;
			free_entry(e);
		}
	free(fs->ghosts.list);
	free(fs->shmems.list);
	free(fs);
}

/* The id of (dev, ino), a new one when *new. */
static int id_of(struct known_list *l, const struct stat *sb, uint32_t *id, bool *new,
		 struct cr_err *err)
{
	struct known *grown;

	*new = false;
	for (uint32_t i = 0; i < l->count; i++)
		if (l->list[i].ino == sb->st_ino && l->list[i].dev == sb->st_dev) {
			*id = l->list[i].id;
			return 0;
		}
	grown = realloc(l->list, (l->count + 1) * sizeof(*grown));
	if (!grown)
		return cr_err_sys(err, "out of memory");
	l->list = grown;
	*id = l->count + 1;
	*new = true;
	grown[l->count++] = (struct known){ sb->st_dev, sb->st_ino, *id };
	return 0;
}

static int refused(struct mapped *m, const char *kind, const char *path, const char *remedy,
		   struct cr_err *err)
{
	m->nature = MAPPED_REFUSED;
	m->remedy = remedy;
	if (asprintf(&m->kind, "%s%s%s", kind, path ? " " : "", path ? path : "") < 0) {
		m->kind = NULL;
		return cr_err_sys(err, "out of memory");
	}
	return 0;
}

/*
 * Carry a file in the image, once.  1: it is too large, *err says so.
 */
static int carry(struct dump *d, int fd, const char *path, const struct stat *sb, bool embedded,
		 uint32_t *id, struct cr_err *err)
{
	Cr__Ghost g = CR__GHOST__INIT;
	bool new;
	int ret;

	if (id_of(&d->files->ghosts, sb, id, &new, err) < 0)
		return -1;
	if (!new)
		return 0;
	if (!embedded && sb->st_nlink)
		ret = cr_ghost_link(fd, path, *id, d->dirfd, &g, err);
	else
		ret = cr_ghost_fill(fd, path, *id, embedded ? UINT64_MAX : d->ghost_limit, d->dirfd,
				    &g, err);
	if (ret > 0)
		d->files->ghosts.count--;
	if (ret)
		return ret;
	g.embedded = embedded;
	ret = cr_stage_put(d->st, CR_KIND_GHOST, &g, err);
	cr_ghost_release(&g);
	cr_stage_count(d->st, embedded ? "embedded" : "ghosts", 1);
	return ret;
}

static int look_ghost(struct dump *d, int fd, const char *path, const struct stat *sb,
		      struct mapped *m, struct cr_err *err)
{
	uint32_t id;
	int ret = carry(d, fd, path, sb, false, &id, err);

	if (ret > 0)
		return refused(m, err->msg, NULL,
			       sb->st_nlink ? "give it its name back" : CR_GHOST_REMEDY, err);
	if (ret < 0)
		return -1;
	m->ref.path = strndup(path, cr_ghost_path_len(path));
	if (!m->ref.path)
		return cr_err_sys(err, "out of memory");
	m->ref.dev = sb->st_dev;
	m->ref.ino = sb->st_ino;
	m->ref.mode = sb->st_mode;
	m->ref.size = (uint64_t)sb->st_size;
	m->ref.ghost = id;
	return 0;
}

static int look_regular(struct dump *d, int fd, const char *path, const struct stat *sb,
			struct mapped *m, struct cr_err *err)
{
	int ret = cr_fileref_fill(fd, path, true, &m->ref, err);

	if (ret > 0)
		ret = cr_fileref_fill_beside(fd, path, &m->ref, err);
	if (ret == 0 && d->embed && S_ISREG(sb->st_mode))
		ret = carry(d, fd, path, sb, true, &m->ref.embedded, err);
	if (ret <= 0)
		return ret;
	if (sb->st_nlink == 0 || (d->link_remap && cr_ghost_has_link(sb, path)))
		return look_ghost(d, fd, path, sb, m, err);
	if (cr_ghost_has_link(sb, path))
		return refused(m, "deleted file with another link", path, CR_LINK_REMEDY, err);
	return refused(m, "no path leads to its file", path,
		       "it is behind a mount: give it its name back", err);
}

/* @fd has no access to the bytes yet. */
static int open_readable(int fd, const char *path, struct cr_err *err)
{
	char link[40];
	int readable;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	readable = open(link, O_RDONLY | O_CLOEXEC);
	return readable < 0 ? cr_err_sys(err, "unable to open %s", path) : readable;
}

static int look_sysv(struct dump *d, int fd, const char *path, const struct stat *sb,
		     struct mapped *m, struct cr_err *err)
{
	cr_auto_fd int readable = open_readable(fd, path, err);
	int ret = readable < 0 ? -1 : sysv_look(d, readable, sb, m, err);

	if (ret <= 0)
		return ret;
	m->nature = MAPPED_REFUSED;
	m->remedy = "detach it (shmdt)";
	return 0;
}

static int look_shmem(struct dump *d, int fd, const char *path, const struct stat *sb,
		      struct mapped *m, struct cr_err *err)
{
	cr_auto_fd int readable = -1;
	bool new;

	if (strncmp(path, "/SYSV", 5) == 0)
		return look_sysv(d, fd, path, sb, m, err);
	if (strncmp(path, "/memfd:", 7) != 0 && strncmp(path, "/dev/zero", 9) != 0 &&
	    strncmp(path, "/anon_hugepage", 14) != 0)
		return refused(m, "memory of the kernel", path, "unmap it", err);
	m->nature = MAPPED_SHMEM;
	if (id_of(&d->files->shmems, sb, &m->shmem, &new, err) < 0)
		return -1;
	if (!new)
		return 0;
	readable = open_readable(fd, path, err);
	if (readable < 0)
		return -1;
	return shmem_dump(d, readable, path, sb, m->shmem, err);
}

/* 1: it is none of them. */
static int look_odd(const char *path, const struct stat *sb, unsigned long magic, struct mapped *m,
		    struct cr_err *err)
{
	bool bytes = sb->st_mode & S_IFMT && path[0] == '/';

	for (size_t i = 0; i < sizeof(odd_files) / sizeof(odd_files[0]); i++) {
		const char *prefix = odd_files[i].prefix;
		bool match = prefix ? !bytes && strncmp(path, prefix, strlen(prefix)) == 0 :
				      magic == odd_files[i].magic;

		if (match)
			return refused(m, odd_files[i].kind, prefix && !*prefix ? path : NULL,
				       odd_files[i].remedy, err);
	}
	return 1;
}

/* Whatever the kernel makes for itself has no name. */
static bool is_of_kernel(const struct dump *d, const struct stat *sb)
{
	if (sb->st_nlink)
		return false;
	return sb->st_dev == d->files->shm_dev || cr_huge_own_shift(sb->st_dev);
}

static int look(struct dump *d, int fd, const char *path, struct mapped *m, struct cr_err *err)
{
	struct statfs sf;
	struct stat sb;
	int ret;

	if (fstat(fd, &sb) < 0 || fstatfs(fd, &sf) < 0)
		return cr_err_sys(err, "unable to look at %s", path);
	ret = look_odd(path, &sb, (unsigned long)sf.f_type, m, err);
	if (ret <= 0)
		return ret;
	if (S_ISCHR(sb.st_mode) && sb.st_rdev == makedev(1, 5)) {
		m->nature = MAPPED_ZERO;
		return 0;
	}
	if (S_ISCHR(sb.st_mode) || S_ISBLK(sb.st_mode))
		return refused(m, "the device", path, "close it before the dump", err);
	if (!S_ISREG(sb.st_mode))
		return refused(m, "a mapping of", path, "unmap it", err);
	if (is_of_kernel(d, &sb))
		return look_shmem(d, fd, path, &sb, m, err);
	return look_regular(d, fd, path, &sb, m, err);
}

/* 1: a rehearsal does not say what it is. */
static int look_at(struct dump *d, int fd, const char *path, struct mapped *m, struct cr_err *err)
{
	struct stat sb;

	if (!d->rehearsal)
		return look(d, fd, path, m, err);
	/* Only what has no record of its own, and is mostly still the same. */
	if (fstat(fd, &sb) < 0 || !S_ISREG(sb.st_mode) || sb.st_nlink == 0 ||
	    cr_ghost_has_link(&sb, path) || d->embed || is_of_kernel(d, &sb) ||
	    look(d, fd, path, m, err) < 0)
		return 1;
	m->rehearsed = true;
	return m->nature == MAPPED_FILE ? 0 : 1;
}

static int open_link(pid_t pid, const char *link, char *path, size_t size, struct cr_err *err)
{
	char name[96];
	int fd;

	if (cr_proc_link(pid, link, path, size, err) < 0)
		return -1;
	snprintf(name, sizeof(name), "/proc/%d/%s", (int)pid, link);
	fd = open(name, O_PATH | O_CLOEXEC);
	return fd < 0 ? cr_err_sys(err, "unable to open %s", name) : fd;
}

static struct entry *find(struct files *fs, uint64_t dev, uint64_t ino, const char *name)
{
	struct entry *e = fs->heads[(ino ^ dev) % HEADS];

	while (e && (e->ino != ino || e->dev != dev || strcmp(e->name, name) != 0))
		e = e->next;
	return e;
}

static struct entry *add(struct files *fs, uint64_t dev, uint64_t ino, const char *name,
			 struct cr_err *err)
{
	struct entry **head = &fs->heads[(ino ^ dev) % HEADS];
	struct entry *e = calloc(1, sizeof(*e));

	if (e)
		e->name = strdup(name);
	if (!e || !e->name) {
		free(e);
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	e->dev = dev;
	e->ino = ino;
	e->next = *head;
	*head = e;
	cr__file_ref__init(&e->m.ref);
	return e;
}

static void drop(struct files *fs, struct entry *e)
{
	struct entry **p = &fs->heads[(e->ino ^ e->dev) % HEADS];

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	free_entry(e);
}

/* A file that was looked at before the freeze may have changed since. */
static bool is_same(const Cr__FileRef *ref)
{
	struct stat sb;

	return lstat(ref->path, &sb) == 0 && sb.st_dev == ref->dev && sb.st_ino == ref->ino &&
	       sb.st_mode == ref->mode && (uint64_t)sb.st_size == ref->size &&
	       (uint64_t)sb.st_mtim.tv_sec * 1000000000u + (uint64_t)sb.st_mtim.tv_nsec ==
		       ref->mtime_ns;
}

static struct entry *find_same(struct dump *d, uint64_t dev, uint64_t ino, const char *name)
{
	struct entry *e = find(d->files, dev, ino, name);

	if (!e || d->rehearsal || !e->m.rehearsed)
		return e;
	e->m.rehearsed = false;
	if (is_same(&e->m.ref))
		return e;
	drop(d->files, e);
	return NULL;
}

static int add_looked(struct dump *d, uint64_t dev, uint64_t ino, const char *name, int fd,
		      const char *path, struct mapped **out, struct cr_err *err)
{
	struct entry *e = add(d->files, dev, ino, name, err);
	int ret = e ? look_at(d, fd, path, &e->m, err) : -1;

	if (ret > 0)
		drop(d->files, e);
	else if (ret == 0)
		*out = &e->m;
	return ret < 0 ? -1 : 0;
}

int files_of_map(struct dump *d, pid_t pid, const struct cr_maps *maps, const struct cr_map *m,
		 struct mapped **out, struct cr_err *err)
{
	const char *name = cr_map_name(maps, m);
	const uint64_t dev = makedev(m->dev_major, m->dev_minor);
	struct entry *e = find_same(d, dev, m->ino, name);
	char path[2 * PATH_MAX], link[64];
	cr_auto_fd int fd = -1;

	*out = e ? &e->m : NULL;
	if (e)
		return 0;
	snprintf(link, sizeof(link), "map_files/%llx-%llx", (unsigned long long)m->start,
		 (unsigned long long)m->end);
	fd = open_link(pid, link, path, sizeof(path), err);
	if (fd < 0)
		return -1;
	return add_looked(d, dev, m->ino, name, fd, path, out, err);
}

int files_of_exe(struct dump *d, pid_t pid, struct mapped **out, struct cr_err *err)
{
	char path[2 * PATH_MAX];
	cr_auto_fd int fd = open_link(pid, "exe", path, sizeof(path), err);
	struct entry *e;
	struct stat sb;

	if (fd < 0)
		return -1;
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "unable to look at %s", path);
	e = find_same(d, sb.st_dev, sb.st_ino, path);
	*out = e ? &e->m : NULL;
	return e ? 0 : add_looked(d, sb.st_dev, sb.st_ino, path, fd, path, out, err);
}

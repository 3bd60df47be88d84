/* SPDX-License-Identifier: MIT */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"

struct bucket {
	uint64_t key[4];
	struct file **files;	/* in the order of kcmp */
	unsigned int count;
	struct bucket *next;
};

struct files {
	struct bucket **heads;
	unsigned int n_heads;	/* a power of two */
	unsigned int n_buckets;
};

int files_new(struct files **out, struct cr_err *err)
{
	struct files *fs = calloc(1, sizeof(*fs));

	*out = fs;
	if (fs) {
		fs->n_heads = 1024;
		fs->heads = calloc(fs->n_heads, sizeof(fs->heads[0]));
	}
	if (!fs || !fs->heads) {
		free(fs);
		*out = NULL;
		return cr_err_sys(err, "out of memory");
	}
	return 0;
}

static void free_bucket(struct bucket *b)
{
	for (unsigned int i = 0; i < b->count; i++) {
		free(b->files[i]->target);
		free(b->files[i]->info);
		free(b->files[i]);
	}
	free(b->files);
	free(b);
}

void files_free(struct files *fs)
{
	struct bucket *b, *next;

	if (!fs)
		return;
	for (unsigned int i = 0; i < fs->n_heads; i++)
		for (b = fs->heads[i]; b; b = next) {
			next = b->next;
			free_bucket(b);
		}
	free(fs->heads);
	free(fs);
}

/*
 * All anonymous inodes of a kernel may be one inode; these lines tell objects
 * apart that never change while frozen.
 */
static uint64_t own_number(const char *info)
{
	static const char *const lines[] = { "\neventfd-id:", "\ntfd:", "\nPid:", "\ninotify " };
	uint64_t h = 0;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *p = strstr(info, lines[i]);

		for (p = p ? p + 1 : ""; *p && *p != '\n'; p++)
			h = h * 31 + (unsigned char)*p;
	}
	return h;
}

static void make_key(struct slot *s)
{
	s->key[0] = (uint64_t)s->mnt_id << 32 | (s->flags & ~(uint32_t)O_CLOEXEC);
	s->key[1] = s->ino;
	s->key[2] = s->pos;
	s->key[3] = s->target[0] == '/' ? 0 : own_number(s->info);
}

static uint64_t hash_key(const uint64_t key[4])
{
	uint64_t h = 0;

	for (int i = 0; i < 4; i++) {
		h = (h ^ key[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h;
}

static int grow(struct files *fs)
{
	unsigned int want = fs->n_heads * 4;
	struct bucket **heads = calloc(want, sizeof(heads[0]));
	struct bucket *b, *next;

	if (!heads)
		return -1;
	for (unsigned int i = 0; i < fs->n_heads; i++)
		for (b = fs->heads[i]; b; b = next) {
			struct bucket **head = &heads[hash_key(b->key) & (want - 1)];

			next = b->next;
			b->next = *head;
			*head = b;
		}
	free(fs->heads);
	fs->heads = heads;
	fs->n_heads = want;
	return 0;
}

static struct bucket *get_bucket(struct files *fs, const uint64_t key[4])
{
	struct bucket *b, **head;

	if (fs->n_buckets > fs->n_heads && grow(fs) < 0)
		return NULL;
	head = &fs->heads[hash_key(key) & (fs->n_heads - 1)];
	for (b = *head; b; b = b->next)
		if (memcmp(b->key, key, sizeof(b->key)) == 0)
			return b;
	b = calloc(1, sizeof(*b));
	if (b) {
		memcpy(b->key, key, sizeof(b->key));
		b->next = *head;
		*head = b;
		fs->n_buckets++;
	}
	return b;
}

struct order {
	const struct process *p;
	int errnum;	/* of a kcmp that failed */
};

static int by_number(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* <0, 0, >0 as the descriptions of (@p, @fd) and (@q, @other) are ordered. */
static int compare(struct order *o, const struct process *p, int fd, const struct process *q,
		   int other)
{
	long r = syscall(SYS_kcmp, p->pid, q->pid, KCMP_FILE, fd, other);

	if (r < 0)
		o->errnum = errno;
	return r == 1 ? -1 : r == 2 ? 1 : 0;
}

static int by_description(const void *a, const void *b, void *arg)
{
	const struct slot *s = *(struct slot *const *)a, *t = *(struct slot *const *)b;
	struct order *o = arg;
	int r = memcmp(s->key, t->key, sizeof(s->key));

	if (r)
		return r;
	/* Of all, or of none: scan_table() sees to that. */
	return s->identity ? by_number(s->identity, t->identity) :
			     compare(o, o->p, s->fd, o->p, t->fd);
}

/* A descriptor of the process and a description that is known already. */
static int compare_known(struct order *o, const struct slot *s, const struct file *f)
{
	return s->identity ? by_number(s->identity, f->identity) :
			     compare(o, o->p, s->fd, f->proc, f->fd);
}

static struct file *new_file(struct process *p, const struct slot *s)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->proc = p;
	f->fd = s->fd;
	f->own = -1;
	f->flags = s->flags & ~(uint32_t)O_CLOEXEC;
	f->pos = s->pos;
	f->mnt_id = s->mnt_id;
	f->ino = s->ino;
	f->identity = s->identity;
	f->plain_dev = s->dev;
	f->target = strdup(s->target);
	f->info = strdup(s->info);
	if (f->target && f->info)
		return f;
	free(f->target);
	free(f->info);
	free(f);
	return NULL;
}

/* Merge slots of one key, sorted, into its bucket. */
static int merge(struct bucket *b, struct process *p, struct slot **slots, unsigned int n,
		 struct order *o, struct cr_err *err)
{
	struct file **merged = malloc((b->count + n) * sizeof(merged[0])), *last = NULL;
	unsigned int i = 0, k = 0;

	if (!merged)
		return cr_err_sys(err, "out of memory");
	for (unsigned int j = 0; j < n; j++) {
		struct slot *s = slots[j];
		int r = 1;

		if (last && compare_known(o, s, last) == 0) {
			s->file = last;
			continue;
		}
		while (i < b->count && (r = compare_known(o, s, b->files[i])) > 0)
			merged[k++] = b->files[i++];
		if (i < b->count && r == 0)
			last = b->files[i++];
		else
			last = new_file(p, s);
		if (!last) {
			free(merged);
			return cr_err_sys(err, "out of memory");
		}
		s->file = merged[k++] = last;
	}
	while (i < b->count)
		merged[k++] = b->files[i++];
	free(b->files);
	b->files = merged;
	b->count = k;
	return 0;
}

static int merge_all(struct files *fs, struct process *p, struct slot **slots, unsigned int count,
		     struct order *o, struct cr_err *err)
{
	for (unsigned int i = 0, n; i < count; i += n) {
		struct bucket *b = get_bucket(fs, slots[i]->key);

		for (n = 1; i + n < count &&
			    memcmp(slots[i]->key, slots[i + n]->key, sizeof(slots[i]->key)) == 0;
		     n++)
			;
		if (!b)
			return cr_err_sys(err, "out of memory");
		if (merge(b, p, slots + i, n, o, err) < 0)
			return -1;
	}
	return 0;
}

int files_find(struct files *fs, struct process *p, struct scan *sc, struct cr_err *err)
{
	cr_auto_free struct slot **sorted = calloc(sc->count + 1, sizeof(sorted[0]));
	struct order o = { .p = p };

	if (!sorted)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < sc->count; i++) {
		sorted[i] = &sc->slots[i];
		make_key(sorted[i]);
	}
	qsort_r(sorted, sc->count, sizeof(sorted[0]), by_description, &o);
	if (merge_all(fs, p, sorted, sc->count, &o, err) < 0)
		return -1;
	if (o.errnum) {
		errno = o.errnum;
		return cr_err_sys(err, "kcmp");
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Are the names of the image's AF_UNIX sockets to be had?  A file that the
 * target has left is removed at the restore, so nobody may be bound to it;
 * who is bound to what tells one dump of sock_diag.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "check.h"
#include "clean.h"
#include "unix-diag.h"
#include "unix.h"

struct wanted {
	const struct unix_sock *u;
	bool is_file;		/* there is such a file, else it is an abstract name */
	uint64_t dev;		/* as the kernel has it */
	uint64_t ino;
	bool taken;
};

struct names {
	struct restore *r;
	struct wanted *list;
	unsigned int count;
};

static int compare(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	const ProtobufCBinaryData *m, *n;

	if (x->is_file != y->is_file)
		return x->is_file - y->is_file;
	if (x->is_file)
		return x->ino != y->ino ? (x->ino < y->ino ? -1 : 1) :
					  (x->dev > y->dev) - (x->dev < y->dev);
	m = &x->u->m->name;
	n = &y->u->m->name;
	if (m->len != n->len)
		return m->len < n->len ? -1 : 1;
	return memcmp(m->data, n->data, m->len);
}

static void refuse_name(struct restore *r, const struct unix_sock *u, const char *what)
{
	const struct file_image *f = image_file(&r->img, u->m->id);
	uint32_t pid = f && f->first_user ? r->img.tasks[f->first_user - 1].task->pid : 0;
	char object[300], text[256];

	snprintf(object, sizeof(object), "unix socket %s", unix_text(&u->m->name, text));
	refuse(r, pid, object, "%s", what);
}

/* Mark every one of ours with that key: one of another type would not collide,
 * but a name of both types is rare enough. */
static void mark(struct names *n, const struct wanted *key)
{
	struct wanted *w = bsearch(key, n->list, n->count, sizeof(*n->list), compare);

	if (w && (w->is_file || w->u->m->sock_type == key->u->m->sock_type))
		w->taken = true;
}

static int take(void *ctx, const struct cr_unix_diag *d, struct cr_err *err)
{
	Cr__UnixSocket m = CR__UNIX_SOCKET__INIT;
	struct unix_sock u = { .m = &m };
	struct wanted key = { .u = &u, .dev = d->file_dev, .ino = d->file_ino };

	(void)err;
	m.sock_type = d->type;
	m.name.data = (uint8_t *)d->name;
	m.name.len = d->name_len;
	key.is_file = d->has_file;
	if (d->has_file || (d->name_len && !d->name[0]))
		mark(ctx, &key);
	return 0;
}

static void add(struct names *n, const struct unix_sock *u, const struct stat *sb)
{
	struct wanted *w = &n->list[n->count++];

	w->u = u;
	if (!sb)
		return;
	w->is_file = true;
	w->dev = (uint64_t)major(sb->st_dev) << 20 | minor(sb->st_dev);
	w->ino = (uint32_t)sb->st_ino;
}

static bool is_directory(const char *path)
{
	struct stat sb;

	return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

static void check_path(struct names *n, const struct unix_sock *u, const char *path)
{
	struct stat sb;

	if (lstat(path, &sb) < 0) {
		if (errno != ENOENT)
			refuse_name(n->r, u, strerror(errno));
		return;
	}
	if (S_ISSOCK(sb.st_mode))
		add(n, u, &sb);
	else
		refuse_name(n->r, u, "its file is there and no socket");
}

static int check_file(struct names *n, const struct unix_sock *u, struct cr_err *err)
{
	const Cr__UnixFile *f = u->m->file;
	char dir[PATH_MAX];

	if (unix_bind_path(u->m, dir, sizeof(dir), err) < 0)
		return -1;
	check_path(n, u, f->path);
	if (strcmp(dir, f->path) != 0)
		check_path(n, u, dir);
	*strrchr(dir, '/') = '\0';
	if (!is_directory(*dir ? dir : "/") || !is_directory(f->start))
		refuse_name(n->r, u, "the directory of its file is missing");
	return 0;
}

static void check_outside(struct names *n, const struct unix_sock *u)
{
	char path[256];
	struct stat sb;

	snprintf(path, sizeof(path), "%.*s", (int)u->m->peer_name.len,
		 (const char *)u->m->peer_name.data);
	if (unix_is_path(&u->m->peer_name) && (stat(path, &sb) < 0 || !S_ISSOCK(sb.st_mode)))
		refuse(n->r, 0, path, "is no socket, but one of the tree was connected to it");
}

static int check_one(struct names *n, const struct unix_sock *u, struct cr_err *err)
{
	const Cr__UnixSocket *m = u->m;

	if (m->sock_type == SOCK_DGRAM && m->peer_name.len && !m->peer_closed && !m->peer)
		check_outside(n, u);
	if (!m->name.len)
		return 0;
	if (!unix_is_path(&m->name))
		add(n, u, NULL);
	else if (m->bound && !m->file->deleted)
		return check_file(n, u, err);
	return 0;
}

static int find_taken(struct names *n, bool *taken, struct cr_err *err)
{
	*taken = false;
	for (unsigned int i = 0; i < n->count; i++)
		n->list[i].taken = false;
	if (cr_unix_diag(take, n, err) < 0)
		return -1;
	for (unsigned int i = 0; i < n->count; i++)
		*taken |= n->list[i].taken;
	return 0;
}

int unix_check_names(struct restore *r, struct cr_err *err)
{
	const struct unix_socks *s = r->unix_socks;
	cr_auto_free struct wanted *list = calloc(2 * s->count + 1, sizeof(*list));
	struct names n = { .r = r, .list = list };
	bool taken;

	if (!list)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < s->count; i++)
		if (check_one(&n, &s->list[i], err) < 0)
			return -1;
	if (!n.count)
		return 0;
	qsort(list, n.count, sizeof(*list), compare);
	if (find_taken(&n, &taken, err) < 0)
		return -1;
	for (int ms = 0; taken && ms < COLLECT_MS; ms += COLLECT_LOOK_MS) {
		poll(NULL, 0, COLLECT_LOOK_MS);
		if (find_taken(&n, &taken, err) < 0)
			return -1;
	}
	for (unsigned int i = 0; i < n.count; i++)
		if (list[i].taken)
			refuse_name(r, list[i].u, "its name is taken by another socket");
	return 0;
}

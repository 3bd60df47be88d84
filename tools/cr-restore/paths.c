/* SPDX-License-Identifier: MIT */
#include "paths.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

struct mapping {
	const char *from;
	size_t len;	/* of from, without slashes at its end */
	const char *to;
};

struct mappings {
	struct mapping *list;
	unsigned int count;
	struct cr_bump *memory;	/* of the messages */
};

static void add(struct mappings *m, const char *from, size_t len, const char *to)
{
	while (len && from[len - 1] == '/')
		len--;
	m->list[m->count++] = (struct mapping){ from, len, to };
}

static int parse(const struct restore *r, struct mappings *m, struct cr_err *err)
{
	m->list = calloc(r->opts.map_paths.count + 1, sizeof(*m->list));
	if (!m->list)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < r->opts.map_paths.count; i++) {
		const char *arg = r->opts.map_paths.items[i], *eq = strchr(arg, '=');

		if (arg[0] != '/' || !eq || eq[1] != '/')
			return cr_err_set(err, CR_USAGE, "--map-path: '%s' is not /OLD=/NEW", arg);
		add(m, arg, (size_t)(eq - arg), eq + 1);
	}
	if (r->opts.root)
		add(m, "/", 1, r->opts.root);
	return 0;
}

static const struct mapping *best(const struct mappings *m, const char *path)
{
	const struct mapping *found = NULL;

	for (unsigned int i = 0; i < m->count; i++) {
		const struct mapping *p = &m->list[i];

		if (strncmp(path, p->from, p->len) == 0 &&
		    (path[p->len] == '\0' || path[p->len] == '/') &&
		    (!found || p->len > found->len))
			found = p;
	}
	return found;
}

static int map_one(struct mappings *m, char **path, struct cr_err *err)
{
	const struct mapping *p = *path && (*path)[0] == '/' ? best(m, *path) : NULL;
	size_t to, rest;
	char *out;

	if (!p)
		return 0;
	to = strlen(p->to);
	while (to > 1 && p->to[to - 1] == '/')
		to--;
	/* "/" and what stands behind a root are joined with one slash. */
	if (to == 1)
		to = 0;
	rest = strlen(*path + p->len);
	if (rest == 1 && (*path)[p->len] == '/')
		rest = 0;
	out = cr_bump_alloc(m->memory, to + rest + 2);
	if (!out)
		return cr_err_sys(err, "out of memory");
	memcpy(out, p->to, to);
	memcpy(out + to, *path + p->len, rest);
	out[to + rest] = '\0';
	if (to + rest == 0)
		memcpy(out, "/", 2);
	*path = out;
	return 0;
}

static int map_message(struct mappings *m, ProtobufCMessage *msg, struct cr_err *err);

static int map_messages(struct mappings *m, const ProtobufCFieldDescriptor *f, uint8_t *base,
			struct cr_err *err)
{
	ProtobufCMessage **list = *(ProtobufCMessage ***)(base + f->offset);
	size_t count = *(size_t *)(base + f->quantifier_offset);

	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		list = (ProtobufCMessage **)(base + f->offset);
		count = *list ? 1 : 0;
	}
	for (size_t i = 0; i < count; i++)
		if (map_message(m, list[i], err) < 0)
			return -1;
	return 0;
}

static int map_message(struct mappings *m, ProtobufCMessage *msg, struct cr_err *err)
{
	const ProtobufCMessageDescriptor *d = msg->descriptor;

	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		uint8_t *base = (uint8_t *)msg;

		if (f->type == PROTOBUF_C_TYPE_MESSAGE && map_messages(m, f, base, err) < 0)
			return -1;
		if (f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED &&
		    strcmp(f->name, "path") == 0 &&
		    map_one(m, (char **)(base + f->offset), err) < 0)
			return -1;
	}
	return 0;
}

/*
 * Where a socket is bound: a relative name is the same one in another directory,
 * and so is an absolute one below another root.  Otherwise the name is another.
 */
static int map_socket(struct restore *r, struct mappings *m, Cr__UnixSocket *s, struct cr_err *err)
{
	Cr__UnixFile *f = s->file;
	const struct mapping *p = f && !f->deleted ? best(m, f->path) : NULL;
	char *path = f ? f->path : NULL;

	if (!p || !s->name.len)
		return 0;
	if (s->name.data[0] != '/' || p->len == 0 || strcmp(f->start, "/") != 0)
		return map_one(m, &f->start, err);
	if (map_one(m, &path, err) < 0)
		return -1;
	if (strlen(path) > sizeof(((struct sockaddr_un *)NULL)->sun_path))
		refuse(r, 0, path, "too long for the name of a unix socket");
	s->name.data = (uint8_t *)path;
	s->name.len = strlen(path);
	return 0;
}

static int map_sockets(struct restore *r, struct mappings *m, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_UNIX_SOCKET];

	for (unsigned int i = 0; i < l->count; i++)
		if (map_socket(r, m, l->items[i], err) < 0)
			return -1;
	return 0;
}

int paths_map(struct restore *r, struct cr_err *err)
{
	struct mappings m = { .memory = &r->img.memory };
	int ret = 0;

	if (!r->opts.root && !r->opts.map_paths.count)
		return 0;
	ret = parse(r, &m, err);
	if (ret == 0)
		ret = map_sockets(r, &m, err);
	/* kinds[0] is no record kind. */
	for (size_t k = 1; ret == 0 && k < sizeof(r->img.kinds) / sizeof(r->img.kinds[0]); k++)
		for (unsigned int i = 0; ret == 0 && i < r->img.kinds[k].count; i++)
			ret = map_message(&m, r->img.kinds[k].items[i], err);
	free(m.list);
	return ret;
}

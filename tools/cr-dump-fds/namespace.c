/* SPDX-License-Identifier: MIT */
/* Namespaces: one that the tools are in is opened anew. */
#include <stdio.h>
#include <string.h>

#include "kinds.h"

/* "for_children" links lead to the same ones. */
static const char *const names[] = {
	"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts",
};

static const char *name_of(const struct file *f)
{
	size_t len = strcspn(f->target, ":");

	if (f->target[len] != ':' || f->target[len + 1] != '[')
		return NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && strncmp(f->target, names[i], len) == 0)
			return names[i];
	return NULL;
}

static bool match(const struct file *f)
{
	return name_of(f) != NULL;
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__Namespace m = CR__NAMESPACE__INIT;
	char path[64], kind[40];
	struct stat own;

	m.id = f->id;
	m.open_flags = f->flags;
	m.name = (char *)name_of(f);
	snprintf(path, sizeof(path), "/proc/self/ns/%s", m.name);
	if (stat(path, &own) == 0 && own.st_ino == f->ino)
		return cr_stage_put(d->st, CR_KIND_NAMESPACE, &m, err);
	snprintf(kind, sizeof(kind), "%s namespace", m.name);
	return file_refuse(d, f, kind, "not one that the tools are in: not supported",
			   "close it, or open it by a path", err);
}

const struct file_kind kind_namespace = { .name = "namespace", .match = match, .dump = dump };

/* SPDX-License-Identifier: MIT */
/* The first pass: the ids that records can refer to. */
#include <protobuf-c/protobuf-c.h>

#include "check.h"
#include "pagemap.h"
#include "schemas.h"

/* Kinds from here on are open file descriptions, when they have an id; a Socket
 * is one whose record, of the same id, cr-dump-net makes. */
#define FIRST_FILE_KIND 40

static const struct {
	uint16_t kind;
	const char *field;
	enum id_set set;
	const char *what;
} owners[] = {
	{ CR_KIND_TASK, "pid", IDS_TASK, "task" },
	{ CR_KIND_MM, "pid", IDS_MM, "address space of pid" },
	{ CR_KIND_FS, "pid", IDS_FS, "working directory of pid" },
	{ CR_KIND_FD_TABLE, "pid", IDS_FD_TABLE, "descriptor table of pid" },
	{ CR_KIND_SHMEM, "id", IDS_SHMEM, "shared memory object" },
	{ CR_KIND_GHOST, "id", IDS_GHOST, "deleted file" },
	{ CR_KIND_PIPE_DATA, "pipe", IDS_PIPE_DATA, "pipe" },
	{ CR_KIND_TERMINAL, "terminal", IDS_TERMINAL, "terminal" },
	{ CR_KIND_CGROUPS, "id", IDS_CGROUPS, "set of cgroups" },
};

static uint32_t field_of(const void *msg, const char *name, bool *there)
{
	const ProtobufCMessage *m = msg;
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);

	*there = f && f->type == PROTOBUF_C_TYPE_UINT32 && f->label == PROTOBUF_C_LABEL_NONE;
	return *there ? *(const uint32_t *)((const char *)msg + f->offset) : 0;
}

static int collect_task(struct check *c, const Cr__Task *t, struct cr_err *err)
{
	for (size_t i = 0; i < t->n_tids; i++)
		if (ids_add(&c->ids[IDS_TASK_TID], (uint64_t)t->pid << 32 | t->tids[i], err) < 0)
			return -1;
	return 0;
}

/* They lie in the last PagesFile before them. */
static int collect_pages(struct check *c, const Cr__Pages *p, struct cr_err *err)
{
	for (size_t i = 0; i < p->n_extents; i++) {
		const Cr__Extent *e = p->extents[i];

		if (!e->borrowed && p->pid &&
		    cr_cover_add(&c->cover, (uint32_t)c->pages.count, e->offset, e->pages * CR_PAGE,
				 err) < 0)
			return -1;
	}
	return 0;
}

int collect_record(struct check *c, const struct cr_record *rec, const void *msg,
		   struct cr_err *err)
{
	const Cr__Thread *th = msg;
	const char *name;
	uint64_t size;
	bool there;
	uint32_t id;

	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
		if (owners[i].kind == rec->kind &&
		    ids_add(&c->ids[owners[i].set], field_of(msg, owners[i].field, &there), err))
			return -1;
	if (cr_image_bulk_of(rec->kind, msg, &name, &size))
		c->bulk_bytes += size;
	switch (rec->kind) {
	case CR_KIND_HEADER:
		c->root_pid = ((const Cr__Header *)msg)->root_pid;
		return 0;
	case CR_KIND_TASK:
		return collect_task(c, msg, err);
	case CR_KIND_THREAD:
		return ids_add(&c->ids[IDS_THREAD], (uint64_t)th->pid << 32 | th->tid, err);
	case CR_KIND_PAGES_FILE:
		return cr_image_files_add(&c->pages, ((const Cr__PagesFile *)msg)->name,
					  ((const Cr__PagesFile *)msg)->size, err);
	case CR_KIND_PAGES:
		return collect_pages(c, msg, err);
	case CR_KIND_SOCKET:
		/* The record of its family has the same id. */
		return 0;
	default:
		id = field_of(msg, "id", &there);
		return rec->kind >= FIRST_FILE_KIND && rec->kind != CR_KIND_SOCKET && there ?
			       ids_add(&c->ids[IDS_FILE], id, err) :
			       0;
	}
}

static void check_twice(struct check *c, enum id_set set, const char *what)
{
	uint64_t id = ids_twice(&c->ids[set]);

	if (id)
		fault(c, "%s %llu is there twice", what, (unsigned long long)(uint32_t)id);
}

void check_ids(struct check *c)
{
	const struct ids *named = &c->ids[IDS_TASK_TID];

	c->rec = NULL;
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
		check_twice(c, owners[i].set, owners[i].what);
	check_twice(c, IDS_FILE, "open file description");
	check_twice(c, IDS_THREAD, "thread");
	check_twice(c, IDS_TASK_TID, "thread id in a task:");
	if (!ids_has(&c->ids[IDS_TASK], c->root_pid))
		fault(c, "the root, pid %llu, has no task record", (unsigned long long)c->root_pid);
	for (uint64_t i = 0; i < named->count; i++)
		if (!ids_has(&c->ids[IDS_THREAD], named->list[i]))
			fault(c, "pid %llu: thread %u has no record",
			      (unsigned long long)(named->list[i] >> 32), (uint32_t)named->list[i]);
}

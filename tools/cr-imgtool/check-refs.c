/* SPDX-License-Identifier: MIT */
/*
 * References, found by the names of fields in any message, at any depth: a new
 * kind of record is checked without new code.
 */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "schemas.h"
#include "show-walk.h"

#define MAX_DEPTH 8

/* @msg NULL: in every message; @zero: 0 means none. */
static const struct {
	const char *msg;
	const char *field;
	enum id_set set;
	bool zero;
	const char *what;
} refs[] = {
	{ NULL, "pid", IDS_TASK, true, "no task with pid" },
	{ NULL, "same_as", IDS_TASK, true, "no task with pid" },
	{ "Fd", "file", IDS_FILE, false, "no open file description" },
	{ "EpollItem", "file", IDS_FILE, false, "no open file description" },
	{ "FileOwner", "file", IDS_FILE, false, "no open file description" },
	{ NULL, "shmem", IDS_SHMEM, true, "no shared memory object" },
	{ NULL, "exe_shmem", IDS_SHMEM, true, "no shared memory object" },
	{ "FileLock", "file", IDS_FILE, false, "no open file description" },
	{ NULL, "ghost", IDS_GHOST, true, "no deleted file" },
	{ "FileRef", "embedded", IDS_GHOST, true, "no carried file" },
	{ "UnixSocket", "peer", IDS_FILE, true, "no open file description" },
	{ "Pipe", "pipe", IDS_PIPE_DATA, false, "no pipe data" },
	{ "Fifo", "pipe", IDS_PIPE_DATA, false, "no pipe data" },
	{ NULL, "cgroups", IDS_CGROUPS, true, "no set of cgroups" },
	{ "Tty", "terminal", IDS_TERMINAL, false, "no terminal" },
	{ "ControllingTerminal", "terminal", IDS_TERMINAL, true, "no terminal" },
};

static void check_message(struct check *c, const ProtobufCMessage *msg, const char *where,
			  unsigned int depth);

static void check_number(struct check *c, const char *msg, const struct cr_show_field *v,
			 const char *where)
{
	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		uint64_t id;

		/* The owner of a file may be a group, or be gone; see check_socket(). */
		if (refs[i].set == IDS_TASK &&
		    (strcmp(msg, "FileOwner") == 0 || strcmp(msg, "Socket") == 0))
			continue;
		if (strcmp(refs[i].field, v->desc->name) != 0 ||
		    (refs[i].msg && strcmp(refs[i].msg, msg) != 0))
			continue;
		id = cr_show_number(v->desc, v->values);
		if ((id || !refs[i].zero) && !ids_has(&c->ids[refs[i].set], id))
			fault(c, "%s%s: there is %s %llu", where, v->desc->name, refs[i].what,
			      (unsigned long long)id);
	}
}

static void check_inner(struct check *c, const struct cr_show_field *v, const char *where,
			unsigned int depth)
{
	char inner[160];

	for (size_t i = 0; i < v->count; i++) {
		if (v->desc->label == PROTOBUF_C_LABEL_REPEATED)
			snprintf(inner, sizeof(inner), "%s%s[%zu].", where, v->desc->name, i);
		else
			snprintf(inner, sizeof(inner), "%s%s.", where, v->desc->name);
		check_message(c, ((const ProtobufCMessage *const *)v->values)[i], inner, depth + 1);
	}
}

static void check_message(struct check *c, const ProtobufCMessage *msg, const char *where,
			  unsigned int depth)
{
	const ProtobufCMessageDescriptor *d = msg->descriptor;

	for (unsigned int i = 0; i < d->n_fields && depth < MAX_DEPTH; i++) {
		struct cr_show_field v = cr_show_field(msg, i);

		if (v.desc->type == PROTOBUF_C_TYPE_MESSAGE)
			check_inner(c, &v, where, depth);
		else if (v.desc->type == PROTOBUF_C_TYPE_UINT32 && v.count &&
			 v.desc->label == PROTOBUF_C_LABEL_NONE)
			check_number(c, d->short_name, &v, where);
	}
}

/* One that only a message has, was held by a program of the dump. */
static void check_socket(struct check *c, const Cr__Socket *s)
{
	if (s->carrier_pid ? !ids_has(&c->ids[IDS_TASK], s->carrier_pid) :
			     !ids_has(&c->ids[IDS_TASK], s->pid))
		fault(c, "%s: there is no task with pid %u", s->carrier_pid ? "carrier_pid" : "pid",
		      s->carrier_pid ? s->carrier_pid : s->pid);
}

void check_refs(struct check *c, const struct cr_record *rec, const void *msg)
{
	const Cr__Task *t = msg;

	check_message(c, msg, "", 0);
	if (rec->kind == CR_KIND_TASK && t->pid != c->root_pid &&
	    !ids_has(&c->ids[IDS_TASK], t->ppid))
		fault(c, "ppid: there is no task with pid %u", t->ppid);
	if (rec->kind == CR_KIND_SOCKET)
		check_socket(c, msg);
}

/* SPDX-License-Identifier: MIT */
#include "vec.h"

#include <stdlib.h>
#include <string.h>

void *arena_alloc(struct arena *a, size_t size, struct cr_err *err)
{
	void *p = a->base + a->used;

	size = (size + 63) & ~(size_t)63;
	if (size > a->size - a->used) {
		cr_err_set(err, CR_SYSTEM, "the agent's memory of %zu bytes is too small", a->size);
		return NULL;
	}
	a->used += size;
	return p;
}

const char *label_name(unsigned int label)
{
	static const char *const names[LABELS] = {
		[LABEL_NONE] = "an operation",
		[LABEL_UNMAP] = "unmapping cr-restore",
		[LABEL_MAP] = "mapping",
		[LABEL_REGISTER] = "registering buffers",
		[LABEL_FILL] = "reading pages from the image",
		[LABEL_PROTECT] = "protecting",
		[LABEL_ADVISE] = "madvise",
		[LABEL_LOCK] = "mlock",
		[LABEL_SEAL] = "mseal",
		[LABEL_VDSO] = "moving the vDSO",
		[LABEL_MM] = "setting the memory layout",
		[LABEL_CLOSE] = "closing descriptors",
		[LABEL_FILE_LOCK] = "its file lock (has another process taken it?)",
		[LABEL_THREAD] = "creating a thread",
		[LABEL_RSEQ] = "registering rseq",
		[LABEL_ROBUST] = "setting the robust list",
		[LABEL_SIGNAL] = "setting signals",
		[LABEL_CREDS] = "setting credentials",
		[LABEL_SECCOMP] = "installing seccomp filters",
		[LABEL_LIMIT] = "setting resource limits",
		[LABEL_TIMER] = "setting timers",
		[LABEL_PRCTL] = "prctl",
		[LABEL_NAME] = "setting the name",
		[LABEL_SCHED] = "setting the scheduling",
		[LABEL_WAIT] = "waiting for the others",
		[LABEL_PARK] = "waiting for the restorer",
	};

	return label < LABELS && names[label] ? names[label] : names[LABEL_NONE];
}

struct cr_op *vec_op(struct vec *v, enum cr_op_type type, enum label label, const int64_t arg[6])
{
	static struct cr_op nowhere;
	struct cr_op *op = &nowhere;

	if (v->count == v->room && !v->failed) {
		uint32_t room = v->room ? v->room * 2 : 64;
		struct cr_op *grown = realloc(v->ops, room * sizeof(*grown));

		if (grown) {
			v->ops = grown;
			v->room = room;
		} else {
			v->failed = 1;
		}
	}
	if (!v->failed)
		op = &v->ops[v->count++];
	memset(op, 0, sizeof(*op));
	op->type = (uint8_t)type;
	op->label = (uint8_t)label;
	op->nr = -1;
	memcpy(op->arg, arg, sizeof(op->arg));
	return op;
}

struct cr_vector *vec_finish(struct vec *v, struct arena *a, struct cr_agent_ctl *ctl, uint32_t tid,
			     struct cr_err *err)
{
	struct cr_vector *out = NULL;

	if (v->failed)
		cr_err_set(err, CR_SYSTEM, "out of memory");
	else
		out = arena_alloc(a, sizeof(*out) + v->count * sizeof(*v->ops), err);
	if (out) {
		out->ctl = ctl;
		out->count = v->count;
		out->tid = tid;
		if (v->count)
			memcpy(out->ops, v->ops, v->count * sizeof(*v->ops));
	}
	free(v->ops);
	memset(v, 0, sizeof(*v));
	return out;
}

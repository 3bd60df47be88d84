/* SPDX-License-Identifier: MIT */
/*
 * Building the agent's vectors (pie/agent.h) in the memory that the agent will
 * have: the arena, mapped at an address that neither the target nor cr-restore
 * uses, so that pointers into it stay true.
 *
 * arena_alloc() gives zeroed memory.  vec_sys() and its kin append operations;
 * out of memory is remembered and reported by vec_finish(), which copies the
 * vector into the arena.
 */
#ifndef VEC_H
#define VEC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "../../pie/agent.h"
#include "err.h"

struct arena {
	uint8_t *base;
	size_t size;
	size_t used;
};

void *arena_alloc(struct arena *a, size_t size, struct cr_err *err) CR_MUST;

struct vec {
	struct cr_op *ops;
	uint32_t count;
	uint32_t room;
	int failed;
};

/* What an operation is for, in the message when it fails. */
enum label {
	LABEL_NONE,
	LABEL_UNMAP,
	LABEL_MAP,
	LABEL_FILL,
	LABEL_PROTECT,
	LABEL_ADVISE,
	LABEL_LOCK,
	LABEL_SEAL,
	LABEL_VDSO,
	LABEL_MM,
	LABEL_CLOSE,
	LABEL_REGISTER,
	LABEL_FILE_LOCK,
	LABEL_THREAD,
	LABEL_RSEQ,
	LABEL_ROBUST,
	LABEL_SIGNAL,
	LABEL_CREDS,
	LABEL_SECCOMP,
	LABEL_LIMIT,
	LABEL_TIMER,
	LABEL_PRCTL,
	LABEL_NAME,
	LABEL_SCHED,
	LABEL_WAIT,
	LABEL_PARK,
	LABELS,
};
const char *label_name(unsigned int label);

/* Append; returns the new operation, to be changed at will before the next
 * append, and never NULL. */
struct cr_op *vec_op(struct vec *v, enum cr_op_type type, enum label label, const int64_t arg[6]);

#define VEC_ARGS(...) ((const int64_t[6]){ __VA_ARGS__ })
#define vec_sys(v, label, number, ...)                                                      \
	({                                                                                  \
		struct cr_op *op_ = vec_op(v, CR_OP_SYSCALL, label, VEC_ARGS(__VA_ARGS__)); \
		op_->nr = (number);                                                         \
		op_;                                                                        \
	})
/* It must return just this. */
static inline void vec_want(struct cr_op *op, int64_t result)
{
	op->expect = CR_EXPECT_EQUAL;
	op->want = result;
}

/* The result does not matter. */
#define vec_try(...) (vec_sys(__VA_ARGS__)->expect = CR_EXPECT_ANY)

#define P(ptr) ((int64_t)(uintptr_t)(ptr))

/* Nothing when it is empty. */
static inline void vec_unmap(struct vec *v, uint64_t start, uint64_t end)
{
	if (start < end)
		vec_sys(v, LABEL_UNMAP, SYS_munmap, (int64_t)start, (int64_t)(end - start));
}

/* The vector in the arena; frees what the builder had. */
struct cr_vector *vec_finish(struct vec *v, struct arena *a, struct cr_agent_ctl *ctl, uint32_t tid,
			     struct cr_err *err) CR_MUST;

#endif

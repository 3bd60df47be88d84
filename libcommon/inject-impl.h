/* SPDX-License-Identifier: MIT */
/* What the files of inject.h share; not for others. */
#ifndef CR_INJECT_IMPL_H
#define CR_INJECT_IMPL_H

#include <stdbool.h>

#include "arch.h"
#include "inject.h"

/* Layout of the mapping. */
#define AGENT_CODE 0ul
#define AGENT_CTL 4096ul
#define AGENT_THREAD_CTL (AGENT_CTL + 1024)
#define AGENT_THREAD_STACK_TOP 10240ul
#define AGENT_STACK_TOP 16384ul
#define AGENT_VECTOR AGENT_STACK_TOP
#define AGENT_VECTOR_SIZE (sizeof(struct cr_vector) + CR_AGENT_OPS * sizeof(struct cr_op))
#define AGENT_THREAD_VECTOR (AGENT_VECTOR + ((AGENT_VECTOR_SIZE + 4095) & ~4095ul))
#define AGENT_DATA (AGENT_THREAD_VECTOR + ((AGENT_VECTOR_SIZE + 4095) & ~4095ul))
#define AGENT_LENGTH (AGENT_DATA + CR_AGENT_DATA)

/* Exit codes in the vDSO's padding. */
enum agent_slot { AGENT_SLOT_HOST, AGENT_SLOT_THREAD, AGENT_SLOTS };

struct cr_agent {
	struct cr_process *proc;
	struct cr_tracee *host;	/* the thread it runs in */
	uint8_t *local;		/* our attachment */
	uint64_t base;		/* the task's attachment, 0 while it has none */
	uint64_t pad;		/* address of the vDSO's padding */
	int mem;		/* /proc/PID/mem */
	bool running;		/* the host executes the agent */
	struct cr_exit_code code[AGENT_SLOTS];
};

static inline struct cr_agent_ctl *agent_ctl(const struct cr_agent *a)
{
	return (struct cr_agent_ctl *)(a->local + AGENT_CTL);
}

/* Write the exit code of @t into a slot of the padding; @word: see arch.h. */
int agent_write_slot(struct cr_agent *a, enum agent_slot slot, const struct cr_tracee *t,
		     uint64_t word, struct cr_err *err) CR_MUST;

/* Registers first: with them the way out stands, whatever comes. */
int agent_take_over(struct cr_agent *a, enum agent_slot slot, struct cr_tracee *t,
		    struct cr_err *err) CR_MUST;

/* The registers with which a thread runs its exit code. */
int agent_point_home(struct cr_agent *a, enum agent_slot slot, struct cr_tracee *t,
		     struct cr_err *err) CR_MUST;

/* Enter the agent's code with the control block at offset @ctl of the mapping. */
int agent_enter(struct cr_agent *a, struct cr_tracee *t, uint64_t ctl, uint64_t stack_top,
		struct cr_err *err) CR_MUST;

/* Wait until @ctl says that the vector @number has ended, which @t runs. */
int agent_wait_finished(struct cr_agent *a, const struct cr_agent_ctl *ctl, uint32_t number,
			struct cr_tracee *t, struct cr_err *err) CR_MUST;

int agent_check_size(const struct cr_agent *a, uint32_t count, size_t data_len,
		     struct cr_err *err) CR_MUST;

#endif

/* SPDX-License-Identifier: MIT */
/* The inside of struct cr_agent, for the files that implement inject.h. */
#ifndef CR_INJECT_AGENT_H
#define CR_INJECT_AGENT_H

#include "arch.h"
#include "inject.h"
#include "room.h"

/* Layout of the mapping. */
#define AGENT_CODE 0
#define AGENT_CTL 4096
#define AGENT_STACK_TOP 16384
#define AGENT_GUEST AGENT_STACK_TOP	/* CR_AGENT_GUESTS of: */
#define AGENT_GUEST_STACK 4096
#define AGENT_GUEST_VECTOR AGENT_GUEST_STACK
#define AGENT_GUEST_SIZE 8192
#define AGENT_VECTOR (AGENT_GUEST + CR_AGENT_GUESTS * AGENT_GUEST_SIZE)
#define AGENT_VECTOR_SIZE \
	((sizeof(struct cr_vector) + CR_AGENT_OPS * sizeof(struct cr_op) + 4095) & ~4095ul)
#define AGENT_DATA (AGENT_VECTOR + AGENT_VECTOR_SIZE)
#define AGENT_LENGTH (AGENT_DATA + CR_AGENT_DATA)

_Static_assert(sizeof(struct cr_vector) + CR_AGENT_GUEST_OPS * sizeof(struct cr_op) +
			       CR_AGENT_GUEST_DATA <=
		       AGENT_GUEST_SIZE - AGENT_GUEST_STACK,
	       "a guest's stack, vector and data share its part");

struct guest {
	struct cr_tracee *thread;	/* NULL: free */
	unsigned int index;	/* whose data it has */
	struct cr_exit_code code;
	uint64_t at;		/* where the code is */
};

struct cr_agent {
	struct cr_process *proc;
	struct cr_tracee *host;	/* the thread it runs in */
	uint8_t *local;		/* our attachment */
	int segment;		/* its id */
	uid_t euid;		/* of the task, whose it is */
	uint64_t base;		/* the task's attachment, 0 while it has none */
	bool apart;		/* all but the code is in a segment of its own */
	struct cr_room room;
	int mem;		/* /proc/PID/mem */
	unsigned int timeout_ms;
	const volatile sig_atomic_t *stop;
	bool running;		/* the host executes the agent */
	bool lost;		/* it is not known what the agent does */
	struct cr_exit_code code;	/* the host's */
	struct guest guests[CR_AGENT_GUESTS];
	unsigned int n_guests;
};

static inline struct cr_agent_ctl *agent_ctl(const struct cr_agent *a)
{
	return (struct cr_agent_ctl *)(a->local + AGENT_CTL);
}

/* CR_REFUSED: "pid N: @why", which may end in "; remedy". */
int agent_refuse(const struct cr_agent *a, struct cr_err *err, const char *why);

/* The same after its shmat(2) has failed with @errnum. */
int agent_no_memory(const struct cr_agent *a, int errnum, struct cr_err *err);

/*
 * inject-attach.c: a segment of ours for the task's user; its attachment in
 * the host, and the end of that; ours ends (@clean: the task's has ended).
 */
int agent_make_segment(struct cr_agent *a, struct cr_err *err) CR_MUST;
int agent_attach(struct cr_agent *a, struct cr_err *err) CR_MUST;
int agent_detach(struct cr_agent *a, struct cr_err *err) CR_MUST;
void agent_drop_segment(struct cr_agent *a, bool clean);

/* A system call in the host, after which what is attached is known still. */
int agent_call_kept(struct cr_agent *a, long nr, const uint64_t args[6], long *result,
		    struct cr_err *err) CR_MUST;

/* Write the exit code of @t at @at; @done as in struct cr_exit_spec. */
int agent_write_exit(struct cr_agent *a, const struct cr_tracee *t, uint64_t at, uint64_t done,
		     struct cr_exit_code *code, struct cr_exit_path *path,
		     struct cr_err *err) CR_MUST;

/* Can our code run in the thread at all? */
int agent_check_thread(const struct cr_agent *a, struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* Wait until *word is @value, while @t runs for us. */
int agent_wait(struct cr_agent *a, struct cr_tracee *t, const uint32_t *word, uint32_t value,
	       struct cr_err *err) CR_MUST;

#endif

/* SPDX-License-Identifier: MIT */
/* One vector in a thread that is not the agent's host. */
#include <string.h>

#include "fault.h"
#include "inject-impl.h"

static struct cr_agent_ctl *thread_ctl(const struct cr_agent *a)
{
	return (struct cr_agent_ctl *)(a->local + AGENT_THREAD_CTL);
}

static struct cr_vector *thread_vector(const struct cr_agent *a)
{
	return (struct cr_vector *)(a->local + AGENT_THREAD_VECTOR);
}

static void fill(struct cr_agent *a, const struct cr_tracee *t, const struct cr_op *ops,
		 uint32_t count)
{
	struct cr_agent_ctl *ctl = thread_ctl(a), *host;
	struct cr_vector *v = thread_vector(a);

	host = (struct cr_agent_ctl *)(a->base + AGENT_CTL);
	memset(ctl, 0, sizeof(*ctl));
	ctl->mode = CR_AGENT_THREAD;
	ctl->host = host;
	ctl->leave = a->code[AGENT_SLOT_THREAD].leave;
	ctl->sigmask = t->sigmask;
	ctl->restart = cr_arch_restart(&t->regs);
	ctl->vector = (struct cr_vector *)(a->base + AGENT_THREAD_VECTOR);
	v->ctl = host;
	v->count = count;
	v->done = 0;
	memcpy(v->ops, ops, count * sizeof(*ops));
}

/*
 * If we die: before .inside is set the thread has not been in the mapping, and
 * while it is set its exit code will clear it.  So it is set after the
 * thread's way out stands and cleared before that way is given up.
 */
static int run(struct cr_agent *a, struct cr_tracee *t, struct cr_err *err)
{
	struct cr_agent_ctl *host = agent_ctl(a);

	if (agent_take_over(a, AGENT_SLOT_THREAD, t, err) < 0)
		return -1;
	__atomic_store_n(&host->inside, 1, __ATOMIC_RELEASE);
	cr_fault("thread-inside");
	if (agent_enter(a, t, AGENT_THREAD_CTL, AGENT_THREAD_STACK_TOP, err) < 0 ||
	    agent_wait_finished(a, thread_ctl(a), 1, t, err) < 0)
		return -1;
	cr_fault("thread-ran");
	if (cr_tracee_settle(t, err) < 0 || agent_point_home(a, AGENT_SLOT_THREAD, t, err) < 0)
		return -1;
	cr_fault("thread-home");
	__atomic_store_n(&host->inside, 0, __ATOMIC_RELEASE);
	return cr_tracee_restore(t, err);
}

static void take_answer(const struct cr_agent *a, struct cr_thread_answer *answer, uint32_t count,
			size_t data_len)
{
	const struct cr_vector *v = thread_vector(a);

	answer->done = v->done;
	for (uint32_t i = 0; i < count; i++)
		answer->result[i] = i <= v->done ? v->ops[i].result : 0;
	memcpy(cr_thread_answer_data(answer, count), a->local + AGENT_DATA, data_len);
}

int cr_agent_run_thread(struct cr_agent *a, struct cr_tracee *t, const struct cr_op *ops,
			uint32_t count, struct cr_thread_answer *answer, size_t data_len,
			struct cr_err *err)
{
	uint64_t inside = a->base + AGENT_CTL + offsetof(struct cr_agent_ctl, inside);

	if (t == a->host)
		return cr_err_set(err, CR_BAD_INPUT, "thread %d: it is the agent's host",
				  (int)t->tid);
	if (agent_check_size(a, count, data_len, err) < 0 ||
	    agent_write_slot(a, AGENT_SLOT_THREAD, t, inside, err) < 0)
		return -1;
	fill(a, t, ops, count);
	memset(a->local + AGENT_DATA, 0, data_len);
	/* The slot is the next thread's. */
	if (run(a, t, err) < 0)
		return -1;
	take_answer(a, answer, count, data_len);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Running vectors: in the host, and in other threads as guests. */
#include "inject-agent.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"

#define LOOKS 100		/* before sleeping: a vector often takes microseconds */
#define TICK_NS 5000000l	/* how often to see whether the thread still lives */
#define HELD_TICKS 20		/* so many of them: whether it can run at all */

static long futex(uint32_t *word, int op, uint32_t val, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, val, timeout, NULL, 0);
}

static int crashed(const struct cr_agent *a, const struct cr_tracee *t, struct cr_err *err)
{
	return cr_err_set(err, CR_SYSTEM, "pid %d: thread %d: the injected code met signal %d (%s)",
			  (int)a->proc->pid, (int)t->tid, t->crash, strsignal(t->crash));
}

static int late(const struct cr_agent *a, const char *how, struct cr_err *err)
{
	return cr_err_set(err, CR_REFUSED, "pid %d: the call did not return %s", (int)a->proc->pid,
			  how);
}

int agent_wait(struct cr_agent *a, struct cr_tracee *t, const uint32_t *word, uint32_t value,
	       struct cr_err *err)
{
	static const struct timespec tick = { 0, TICK_NS };
	uint32_t *doorbell = &agent_ctl(a)->doorbell, bell;
	uint64_t until =
		cr_now_ns() + (a->timeout_ms ? a->timeout_ms * 1000000ull : CR_TRACE_PATIENCE_NS);

	for (int i = 0; i < LOOKS; i++) {
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
			return 0;
		cr_arch_relax();
	}
	for (unsigned int ticks = 1;; ticks++) {
		int ret;

		bell = __atomic_load_n(doorbell, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
			return 0;
		ret = cr_tracee_poll(t, err);
		if (ret < 0)
			return -1;
		if (ret > 0) {
			t->state = CR_TRACEE_GONE;
			return cr_err_set(err, CR_SYSTEM, "pid %d ended while it was frozen",
					  (int)a->proc->pid);
		}
		if (t->crash)
			return crashed(a, t, err);
		if (a->stop && *a->stop)
			return late(a, "before this was interrupted", err);
		if (ticks % HELD_TICKS == 0 && cr_tracee_is_held(t))
			return cr_tracee_late(t, err);
		if (cr_now_ns() >= until)
			return a->timeout_ms ? late(a, "in time", err) : cr_tracee_late(t, err);
		futex(doorbell, FUTEX_WAIT, bell, &tick);
	}
}

static int check_size(const struct cr_agent *a, uint32_t count, uint32_t max_count, size_t len,
		      size_t max_len, struct cr_err *err)
{
	if (count > max_count || len > max_len)
		return cr_err_set(err, CR_BAD_INPUT, "pid %d: a vector that is too long",
				  (int)a->proc->pid);
	if (a->lost || !a->running)
		return cr_err_set(err, CR_SYSTEM, "pid %d: its agent is lost", (int)a->proc->pid);
	return 0;
}

int cr_agent_run(struct cr_agent *a, struct cr_op *ops, uint32_t count, void *data, size_t data_len,
		 uint32_t *done, struct cr_err *err)
{
	struct cr_agent_ctl *ctl = agent_ctl(a);
	struct cr_vector *v = (struct cr_vector *)(a->local + AGENT_VECTOR);
	uint32_t command = ctl->command + 1;

	*done = 0;
	if (check_size(a, count, CR_AGENT_OPS, data_len, CR_AGENT_DATA, err) < 0)
		return -1;
	memcpy(v->ops, ops, count * sizeof(*ops));
	v->count = count;
	if (data_len)
		memcpy(a->local + AGENT_DATA, data, data_len);
	__atomic_store_n(&ctl->command, command, __ATOMIC_RELEASE);
	if (futex(&ctl->command, FUTEX_WAKE, 1, NULL) < 0)
		return cr_err_sys(err, "pid %d: unable to wake its agent", (int)a->proc->pid);
	cr_fault("agent-run");
	if (agent_wait(a, a->host, &ctl->finished, command, err) < 0)
		return -1;
	memcpy(ops, v->ops, count * sizeof(*ops));
	if (data_len)
		memcpy(data, a->local + AGENT_DATA, data_len);
	*done = v->done;
	return 0;
}

/* What the threads are to run. */
struct each {
	const struct cr_op *ops;
	uint32_t count;
	uint8_t *data;
	size_t data_len;	/* of each */
};

static struct cr_agent_guest *shared_guest(const struct cr_agent *a, const struct guest *g)
{
	return &agent_ctl(a)->guests[g - a->guests];
}

static uint64_t offset_in_agent(const struct cr_agent *a, const void *p)
{
	return a->base + (uint64_t)((const uint8_t *)p - a->local);
}

static uint64_t part_of(const struct cr_agent *a, const struct guest *g)
{
	return AGENT_GUEST + (uint64_t)(g - a->guests) * AGENT_GUEST_SIZE;
}

static struct cr_vector *guest_vector(const struct cr_agent *a, const struct guest *g)
{
	return (struct cr_vector *)(a->local + part_of(a, g) + AGENT_GUEST_VECTOR);
}

static uint8_t *guest_data(const struct cr_agent *a, const struct guest *g)
{
	return (uint8_t *)(guest_vector(a, g)->ops + CR_AGENT_GUEST_OPS);
}

static void fill_guest(const struct cr_agent *a, const struct guest *g, const struct each *e)
{
	struct cr_agent_guest *s = shared_guest(a, g);
	struct cr_vector *v = guest_vector(a, g);

	memcpy(v->ops, e->ops, e->count * sizeof(*e->ops));
	v->ctl = (struct cr_agent_ctl *)(a->base + AGENT_CTL);
	v->count = e->count;
	v->data = offset_in_agent(a, guest_data(a, g));
	memcpy(guest_data(a, g), e->data + g->index * e->data_len, e->data_len);
	s->ctl = v->ctl;
	s->vector = (struct cr_vector *)offset_in_agent(a, v);
	s->armed = g->code.armed;
	__atomic_store_n(&s->finished, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&s->done, 0, __ATOMIC_RELEASE);
}

static int arm(struct cr_agent *a, const struct guest *g, uint32_t value, struct cr_err *err)
{
	if (pwrite(a->mem, &value, sizeof(value), (off_t)g->code.armed) != sizeof(value))
		return cr_err_sys(err, "pid %d: unable to write into its exit code",
				  (int)a->proc->pid);
	return 0;
}

/*
 * Send a thread into the agent.  At every instant its registers and the armed
 * word agree: it is at its exit code before the word is set, so that it gives
 * notice when it finds the word set, and only then goes into the mapping.
 */
static int launch(struct cr_agent *a, struct guest *g, struct cr_tracee *t, unsigned int index,
		  const struct each *e, struct cr_err *err)
{
	struct cr_agent_guest *s = shared_guest(a, g);
	struct user_regs_struct regs = t->regs;

	if (agent_write_exit(a, t, g->at, offset_in_agent(a, &s->done), &g->code, &s->exit, err) <
	    0)
		return -1;
	g->thread = t;
	g->index = index;
	fill_guest(a, g, e);
	cr_fault("guest-code");
	cr_arch_leave_regs(&regs, &g->code);
	if (cr_tracee_set_regs(t, &regs, err) < 0)
		return -1;
	cr_fault("guest-regs");
	if (cr_tracee_set_mask(t, UINT64_MAX, err) < 0)
		return -1;
	cr_fault("guest-mask");
	if (arm(a, g, 1, err) < 0)
		return -1;
	cr_fault("guest-armed");
	cr_arch_enter_regs(&regs, a->base + AGENT_CODE + cr_agent_entry,
			   a->base + part_of(a, g) + AGENT_GUEST_STACK, offset_in_agent(a, s));
	if (cr_tracee_set_regs(t, &regs, err) < 0)
		return -1;
	cr_fault("guest-start");
	return cr_tracee_cont(t, err);
}

static int guest_failed(const struct cr_agent *a, const struct guest *g, struct cr_err *err)
{
	const struct cr_vector *v = guest_vector(a, g);
	const struct cr_op *op = &v->ops[v->done];

	return cr_err_set(err, CR_REFUSED, "pid %d: thread %d: system call %d inside of it: %s",
			  (int)a->proc->pid, (int)g->thread->tid, op->nr,
			  op->result < 0 ? strerror((int)-op->result) : "an unexpected result");
}

/* The way of launch() backwards. */
static int land(struct cr_agent *a, struct guest *g, const struct each *e, struct cr_err *err)
{
	struct cr_tracee *t = g->thread;
	struct user_regs_struct regs = t->regs;

	/* One that launch() failed to send off is stopped still. */
	if (t->state == CR_TRACEE_RUNNING &&
	    (agent_wait(a, t, &shared_guest(a, g)->finished, 1, err) < 0 ||
	     cr_tracee_settle(t, err) < 0))
		return -1;
	cr_fault("guest-finished");
	cr_arch_leave_regs(&regs, &g->code);
	if (cr_tracee_set_regs(t, &regs, err) < 0)
		return -1;
	cr_fault("guest-leaves");
	if (arm(a, g, 0, err) < 0)
		return -1;
	cr_fault("guest-disarmed");
	if (cr_tracee_restore(t, err) < 0)
		return -1;
	cr_fault("guest-restored");
	if (guest_vector(a, g)->failed) {
		guest_failed(a, g, err);
		g->thread = NULL;
		return -1;
	}
	g->thread = NULL;
	memcpy(e->data + g->index * e->data_len, guest_data(a, g), e->data_len);
	return 0;
}

static struct cr_tracee *find_thread(const struct cr_agent *a, uint32_t tid, unsigned int *hint)
{
	const struct cr_process *p = a->proc;

	/* They are asked for in the order that they are in. */
	for (unsigned int n = 0; n < p->n_threads; n++) {
		unsigned int k = (*hint + n) % p->n_threads;

		if (p->threads[k].tid == (pid_t)tid) {
			*hint = k + 1;
			return &p->threads[k];
		}
	}
	return NULL;
}

static int run_in(struct cr_agent *a, uint32_t tid, unsigned int index, const struct each *e,
		  unsigned int *hint, struct cr_err *err)
{
	struct cr_tracee *t = find_thread(a, tid, hint);
	struct guest *g;

	if (!t || t == a->host || !a->n_guests)
		return cr_err_set(err, CR_REFUSED, "pid %d has no other thread %u",
				  (int)a->proc->pid, tid);
	g = &a->guests[index % a->n_guests];
	if (agent_check_thread(a, t, err) < 0 || (g->thread && land(a, g, e, err) < 0))
		return -1;
	return launch(a, g, t, index, e, err);
}

int cr_agent_run_each(struct cr_agent *a, const uint32_t *tids, uint32_t n_tids,
		      const struct cr_op *ops, uint32_t count, void *data, size_t data_len,
		      struct cr_err *err)
{
	const struct each e = { ops, count, data, data_len };
	unsigned int hint = 0;
	int ret = 0;

	if (check_size(a, count, CR_AGENT_GUEST_OPS, data_len, CR_AGENT_GUEST_DATA, err) < 0)
		return -1;
	for (uint32_t i = 0; ret == 0 && i < n_tids; i++)
		ret = run_in(a, tids[i], i, &e, &hint, err);
	/* The last ones; after an error whoever can still be got out. */
	for (unsigned int k = 0; k < a->n_guests; k++) {
		struct guest *g = &a->guests[(n_tids + k) % a->n_guests];
		struct cr_err later;

		if (g->thread && land(a, g, &e, ret < 0 ? &later : err) < 0)
			ret = -1;
		if (g->thread)
			a->lost = true;
	}
	return ret;
}

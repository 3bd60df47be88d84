/* SPDX-License-Identifier: MIT */
#include "finish.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "action.h"
#include "arch.h"
#include "attrs.h"
#include "cgroup.h"
#include "clean.h"
#include "dnotify.h"
#include "enter.h"
#include "fault.h"
#include "filters.h"
#include "held.h"
#include "make-family.h"
#include "msg.h"
#include "notify.h"
#include "numbers.h"
#include "proc.h"
#include "reg.h"
#include "scheduling.h"
#include "share.h"
#include "special.h"
#include "stopped.h"
#include "trace.h"
#include "vec.h"

#define XSTATE_MAX 16384
#define LOOK_MS 200 /* how often to look whether somebody has died */

struct finish {
	struct restore *r;
	struct cr_tracee *threads; /* of all tasks, in order */
	unsigned int count;
};

int finish_check(struct restore *r, struct cr_err *err)
{
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		if (task_is_zombie(t))
			continue;
		for (unsigned int n = 0; n < t->n_threads; n++)
			if (t->threads[n].thread->regs.len != sizeof(struct user_regs_struct))
				return cr_err_set(err, CR_BAD_INPUT,
						  "thread %u: malformed registers",
						  t->threads[n].thread->tid);
	}
	return 0;
}

static bool peek(const struct slot *s, uint64_t from, void *to, size_t len)
{
	struct iovec local = { to, len }, remote = { (void *)from, len };

	/* The memory of a dead leader is seen through another thread only. */
	return (s->eye &&
		process_vm_readv((pid_t)s->eye, &local, 1, &remote, 1, 0) == (ssize_t)len) ||
	       process_vm_readv((pid_t)s->pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

static bool vector_of(const struct slot *s, unsigned int n, uint64_t *at, struct cr_vector *v)
{
	return peek(s, s->ctl.vectors + n * sizeof(*at), at, sizeof(*at)) &&
	       peek(s, *at, v, sizeof(*v));
}

static bool op_of(const struct slot *s, uint64_t vector, uint32_t i, struct cr_op *op)
{
	return peek(s, vector + sizeof(struct cr_vector) + i * sizeof(*op), op, sizeof(*op));
}

static int agent_failed(const struct task_image *t, const struct slot *s, struct cr_err *err)
{
	struct cr_vector v;
	struct cr_op op;
	uint64_t at;
	bool found = false;

	for (unsigned int n = 0; !found && n < t->n_threads + t->task->dead_leader; n++)
		found = vector_of(s, n, &at, &v) && v.failed && op_of(s, at, v.done, &op);
	if (!found)
		return cr_err_set(err, CR_SYSTEM, "pid %u: the agent has failed", t->task->pid);
	return cr_err_set(err, CR_SYSTEM,
			  "pid %u: thread %u: %s: call %d(%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64
			  ") gave %" PRId64 " (%s)",
			  t->task->pid, v.tid, label_name(op.label), op.nr, (uint64_t)op.arg[0],
			  (uint64_t)op.arg[1], (uint64_t)op.arg[2], op.result,
			  op.result < 0 && op.result > -4096 ? strerror((int)-op.result) :
							       "not what was expected");
}

/* Helpers end by themselves, and zombies when all have found their places. */
static bool died_early(const struct restore *r, unsigned int index, uint32_t pid,
		       struct cr_proc_stat *st)
{
	const struct task_image *t = index < r->img.n_tasks ? &r->img.tasks[index] : NULL;
	struct cr_err ignored;

	if (cr_proc_stat((pid_t)pid, st, &ignored) < 0)
		return t && !task_is_zombie(t);
	if (st->state != 'Z' || st->field[CR_STAT_THREADS] > 1)
		return false;
	if (!t)
		return st->field[CR_STAT_EXIT_CODE] & 0x7f;
	return !task_is_zombie(t) ||
	       __atomic_load_n(&r->shared->steps, __ATOMIC_ACQUIRE) < family_arrivals(r);
}

int finish_look(struct restore *r, struct cr_err *err)
{
	/* First: who failed says so in its slot before this. */
	bool given_up = __atomic_load_n(&r->shared->failed, __ATOMIC_ACQUIRE);

	for (unsigned int i = 0; i < r->family.count; i++) {
		struct slot *s = slot_at(r, i);

		if (!__atomic_load_n(&s->ctl.failed, __ATOMIC_ACQUIRE))
			continue;
		if (s->err.class || i >= r->img.n_tasks) {
			*err = s->err;
			return -1;
		}
		return agent_failed(&r->img.tasks[i], s, err);
	}
	for (unsigned int i = 0; i < r->family.count; i++) {
		uint32_t pid = slot_at(r, i)->pid;
		struct cr_proc_stat st = { 0 };

		if (pid && died_early(r, i, pid, &st))
			return cr_err_set(err, CR_SYSTEM,
					  "pid %u: it died while it was being restored (status %d)",
					  pid, (int)st.field[CR_STAT_EXIT_CODE]);
	}
	/* All are killed, and their numbers are forgotten (kill_created()). */
	if (given_up)
		return cr_err_set(err, CR_SYSTEM, "the restore was given up");
	return 0;
}

static int wait_arrived(struct restore *r, const struct task_image *t, uint32_t want,
			struct cr_err *err)
{
	struct slot *s = slot_of(r, t);

	for (;;) {
		uint32_t seen = __atomic_load_n(&s->ctl.arrived, __ATOMIC_ACQUIRE);
		struct timespec ts = { 0, LOOK_MS * 1000000l };

		if (__atomic_load_n(&s->ctl.failed, __ATOMIC_ACQUIRE))
			return finish_look(r, err);
		if (seen >= want)
			return 0;
		if (syscall(SYS_futex, &s->ctl.arrived, FUTEX_WAIT, seen, &ts, NULL, 0) < 0 &&
		    errno == ETIMEDOUT && finish_look(r, err) < 0)
			return -1;
	}
}

/* Those who stop at the gate in front of their seccomp filters. */
static unsigned int gated_threads(const struct task_image *t)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < t->n_threads; i++)
		n += filters_has(t, i);
	return n;
}

static int pass_gates(struct restore *r, struct cr_err *err)
{
	for (unsigned int i = 0; i < r->img.n_tasks; i++)
		if (!task_is_zombie(&r->img.tasks[i]) && filters_open(r, &r->img.tasks[i], err) < 0)
			return -1;
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		if (!task_is_zombie(t) && gated_threads(t) &&
		    wait_arrived(r, t, t->n_threads + gated_threads(t), err) < 0)
			return -1;
	}
	return 0;
}

static unsigned int late_threads(const struct task_image *t)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < t->n_threads; i++)
		n += attrs_is_late(t, i);
	return n;
}

/* Their children are told of that death, which is none to them, before they
 * ask for the parent-death signal. */
static int await_dead_leaders(struct restore *r, struct cr_err *err)
{
	struct timespec tick = { 0, 100000 };

	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];
		struct cr_proc_stat st = { .state = t->task->dead_leader ? 'R' : 'Z' };

		while (st.state != 'Z') {
			if (cr_proc_stat((pid_t)slot_of(r, t)->pid, &st, err) < 0)
				return -1;
			nanosleep(&tick, NULL);
		}
	}
	return 0;
}

int finish_wait(struct restore *r, struct cr_err *err)
{
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		if (!task_is_zombie(t) && wait_arrived(r, t, t->n_threads, err) < 0)
			return -1;
	}
	if (pass_gates(r, err) < 0 || await_dead_leaders(r, err) < 0)
		return -1;
	cr_fault("all-arrived");
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];
		struct slot *s = slot_of(r, t);

		if (task_is_zombie(t) || !late_threads(t))
			continue;
		__atomic_store_n(&s->ctl.gate, 1, __ATOMIC_RELEASE);
		syscall(SYS_futex, &s->ctl.gate, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	}
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		if (!task_is_zombie(t) && late_threads(t) &&
		    wait_arrived(r, t, t->n_threads + gated_threads(t) + late_threads(t), err) < 0)
			return -1;
	}
	return 0;
}

static int died(uint32_t tid, struct cr_err *err)
{
	return cr_err_set(err, CR_SYSTEM, "thread %u: it died while it was being restored", tid);
}

static int seize_all(struct finish *f, struct cr_err *err)
{
	for (unsigned int i = 0; i < f->r->img.n_tasks; i++) {
		const struct task_image *t = &f->r->img.tasks[i];
		pid_t pid = (pid_t)slot_of(f->r, t)->pid;

		for (unsigned int n = 0; n < t->n_threads; n++) {
			struct cr_tracee *th = &f->threads[f->count++];

			pid_t tid = (pid_t)t->task->tids[n];
			int ret;

			if (filters_has(t, n)) {
				ret = cr_tracee_adopt(th, pid, tid, err);
				th->suspended = true;
			} else {
				ret = cr_tracee_seize(th, pid, tid, err);
			}
			if (ret)
				return ret < 0 ? -1 : died(t->task->tids[n], err);
			cr_fault("restore-seize");
		}
	}
	for (unsigned int i = 0; i < f->count; i++) {
		int ret = cr_tracee_wait_stop(&f->threads[i], UINT64_MAX, err);

		if (ret)
			return ret < 0 ? -1 : died((uint32_t)f->threads[i].tid, err);
		/* From now on it dies with us. */
		if (cr_tracee_exitkill(&f->threads[i], true, err) < 0)
			return -1;
	}
	return 0;
}

/* The operation that a thread is parked in: the last of its vector. */
static bool park_op(const struct slot *s, unsigned int n, struct cr_op *op)
{
	struct cr_vector v;
	uint64_t at;

	return vector_of(s, n, &at, &v) && v.count && op_of(s, at, v.count - 1, op) &&
	       op->type == CR_OP_PARK;
}

/*
 * A thread that is to sleep in a call may have been stopped just before it
 * made it, or just after: let it go on until that is clear.
 */
static int settle_call(const struct slot *s, unsigned int n, struct cr_tracee *th, struct cr_op *op,
		       struct cr_err *err)
{
	struct timespec tick = { 0, 50000 };

	for (;;) {
		if (cr_tracee_save(th, err) < 0)
			return -1;
		if (!park_op(s, n, op))
			return cr_err_set(err, CR_SYSTEM, "thread %d: its agent is out of reach",
					  (int)th->tid);
		if (op->result != CR_PARKED || cr_arch_restart(&th->regs) == CR_RESTART_BLOCK)
			return 0;
		if (cr_tracee_cont(th, err) < 0)
			return -1;
		nanosleep(&tick, NULL);
		if (cr_tracee_interrupt(th, err) < 0 || cr_tracee_wait_stop(th, UINT64_MAX, err))
			return -1;
	}
}

/*
 * A thread whose call the kernel can continue sleeps in it already, unless
 * its time is up; a call of which nothing is known begins again.
 */
static int resume_call(const struct finish *f, const struct task_image *t, unsigned int n,
		       struct cr_tracee *th, struct user_regs_struct *regs, struct cr_err *err)
{
	struct cr_op op;

	if (cr_arch_restart(regs) != CR_RESTART_BLOCK)
		return 0;
	if (!t->threads[n].thread->has_remaining) {
		cr_arch_restart_whole(regs);
		return 0;
	}
	if (settle_call(slot_of(f->r, t), n, th, &op, err) < 0)
		return -1;
	if (op.result != CR_PARKED)
		cr_arch_set_result(regs, op.result);
	return 0;
}

static int set_xstate(struct cr_tracee *th, const ProtobufCBinaryData *x, struct cr_err *err)
{
	uint8_t area[XSTATE_MAX];
	struct iovec iov = { x->data, x->len }, own = { area, sizeof(area) };

	if (syscall(SYS_ptrace, (long)PTRACE_SETREGSET, (long)th->tid, (long)NT_X86_XSTATE, &iov) ==
	    0)
		return 0;
	/* The area of another CPU has another size, or a component that this
	 * one has not, which --cpu-cap has let pass. */
	if (syscall(SYS_ptrace, (long)PTRACE_GETREGSET, (long)th->tid, (long)NT_X86_XSTATE, &own) <
		    0 ||
	    !xstate_fit(x->data, x->len, area, own.iov_len) ||
	    syscall(SYS_ptrace, (long)PTRACE_SETREGSET, (long)th->tid, (long)NT_X86_XSTATE, &own) <
		    0)
		return cr_err_sys(err, "thread %d: unable to set its XSAVE state", (int)th->tid);
	return 0;
}

/*
 * The call's own instruction goes with the agent: the thread is stopped on the
 * way out of the kernel, and never gets back there.
 */
static int remove_agent(struct finish *f, const struct task_image *t, struct cr_tracee *th,
			struct cr_err *err)
{
	const struct slot *s = slot_of(f->r, t);
	uint64_t args[6] = { s->ctl.base, s->ctl.end - s->ctl.base };
	long result;

	if (cr_tracee_syscall(th, s->insn, SYS_munmap, args, &result, err) < 0)
		return -1;
	if (result < 0)
		return cr_err_set(err, CR_SYSTEM, "pid %u: unable to remove the agent: %s",
				  t->task->pid, strerror((int)-result));
	cr_fault("agent-removed");
	return 0;
}

static int set_task(struct finish *f, const struct task_image *t, struct cr_tracee *threads,
		    struct cr_err *err)
{
	for (unsigned int n = 0; n < t->n_threads; n++) {
		struct user_regs_struct regs;

		memcpy(&regs, t->threads[n].thread->regs.data, sizeof(regs));
		if (resume_call(f, t, n, &threads[n], &regs, err) < 0)
			return -1;
		threads[n].regs = regs;
		threads[n].sigmask = t->threads[n].thread->sigmask;
		threads[n].changed = true;
	}
	if (dnotify_restore(f->r, t, &threads[0], slot_of(f->r, t)->insn, err) < 0)
		return -1;
	if (share_is_last(t) && remove_agent(f, t, &threads[0], err) < 0)
		return -1;
	for (unsigned int n = 0; n < t->n_threads; n++) {
		if (cr_tracee_restore(&threads[n], err) < 0 ||
		    set_xstate(&threads[n], &t->threads[n].thread->xstate, err) < 0 ||
		    special_traced(t, n, threads[n].tid, err) < 0 ||
		    cgroups_move_thread(t, n, threads[n].tid, err) < 0 ||
		    scheduling_set(t, n, threads[n].tid, err) < 0)
			return -1;
		cr_fault("thread-set");
	}
	return 0;
}

static int let_go(struct finish *f, struct cr_err *err)
{
	for (unsigned int i = 0; i < f->count; i++)
		if (cr_tracee_exitkill(&f->threads[i], false, err) < 0)
			return -1;
	cr_fault("before-commit");
	__atomic_store_n(&f->r->shared->committed, 1, __ATOMIC_RELEASE);
	cr_fault("committed");
	for (unsigned int i = f->count; i > 1; i--)
		cr_tracee_detach(&f->threads[i - 1]);
	/* What the tree shares is the tree's: an end of a pipe above all. */
	if (numbers_close_own(f->r) < 0)
		cr_msg("close_range: %s", strerror(errno));
	/* The root last: who waits to freeze the tree looks at that one. */
	if (f->count)
		cr_tracee_detach(&f->threads[0]);
	return 0;
}

int finish_release(struct restore *r, struct cr_err *err)
{
	struct finish f = { .r = r };
	struct cr_tracee *th;
	unsigned int n = 0;
	int ret = -1;

	for (unsigned int i = 0; i < r->img.n_tasks; i++)
		n += r->img.tasks[i].n_threads;
	f.threads = calloc(n + 1, sizeof(*f.threads));
	if (!f.threads)
		return cr_err_sys(err, "out of memory");
	if (seize_all(&f, err) < 0 || stopped_make(r, f.threads, err) < 0)
		goto out;
	th = f.threads;
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		if (!task_is_zombie(t) && set_task(&f, t, th, err) < 0)
			goto out;
		th += t->n_threads;
	}
	if (regs_seek(r, err) < 0 ||
	    action_run(r, "pre-resume", (pid_t)slot_at(r, 0)->pid, err) < 0 ||
	    held_take(r, err) < 0)
		goto out;
	notify_write(r);
	ret = let_go(&f, err);
out:
	free(f.threads);
	return ret;
}

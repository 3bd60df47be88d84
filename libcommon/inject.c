/* SPDX-License-Identifier: MIT */
#include "inject-agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "inject-seccomp.h"
#include "liveness.h"
#include "proc.h"

#define GUEST_SLOT(i) (((uint64_t)(i) + 1) * CR_EXIT_CODE_MAX)	/* the host's is the first */

uint64_t cr_agent_address(const struct cr_agent *a)
{
	return a->base;
}

bool cr_agent_can_call(const struct cr_agent *a)
{
	return !a->apart;
}

uint64_t cr_agent_length(void)
{
	return AGENT_LENGTH;
}

uint64_t cr_agent_data(const struct cr_agent *a)
{
	return a->base + AGENT_DATA;
}

void cr_agent_set_limits(struct cr_agent *a, unsigned int ms, const volatile sig_atomic_t *stop)
{
	a->timeout_ms = ms;
	a->stop = stop;
}

int agent_write_exit(struct cr_agent *a, const struct cr_tracee *t, uint64_t at, uint64_t done,
		     struct cr_exit_code *code, struct cr_exit_path *path, struct cr_err *err)
{
	const struct cr_exit_spec spec = {
		.at = at,
		.regs = &t->regs,
		.sigmask = t->sigmask,
		.done = done,
		.apart = a->apart ? AGENT_CTL : 0,
	};
	uint8_t buf[CR_EXIT_CODE_MAX];
	size_t len = cr_arch_exit_code(buf, sizeof(buf), &spec, code);

	/* Its head first: see room.h. */
	if (pwrite(a->mem, buf, CR_EXIT_CODE_HEAD, (off_t)at) != CR_EXIT_CODE_HEAD ||
	    pwrite(a->mem, buf, len, (off_t)at) != (ssize_t)len)
		return cr_err_sys(err, "pid %d: unable to write the exit code", (int)t->pid);
	path->leave = code->leave;
	path->tail = code->tail;
	path->tail_eintr = code->tail_eintr;
	path->sigmask = t->sigmask;
	path->restart = cr_arch_restart(&t->regs);
	return 0;
}

static int find_room(struct cr_agent *a, struct cr_err *err)
{
	unsigned int slots;

	if (!a->proc->room_known && cr_room_find(cr_process_eye(a->proc), &a->proc->room, err) < 0)
		return -1;
	a->proc->room_known = true;
	a->room = a->proc->room;
	slots = (unsigned int)(a->room.size / CR_EXIT_CODE_MAX);
	if (slots < (a->proc->n_threads > 1 ? 2 : 1))
		return agent_refuse(
			a, err,
			"it has no vDSO of this kernel to execute, and its files no "
			"unused bytes behind their code: no agent could leave it again; "
			"run it without what unmaps or changes its vDSO");
	a->n_guests = slots - 1 < CR_AGENT_GUESTS ? slots - 1 : CR_AGENT_GUESTS;
	for (unsigned int i = 0; i < a->n_guests; i++)
		a->guests[i].at = a->room.at + GUEST_SLOT(i);
	return 0;
}

static int open_mem(struct cr_agent *a, struct cr_err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)cr_process_eye(a->proc));
	a->mem = open(path, O_RDWR | O_CLOEXEC);
	if (a->mem < 0 && (errno == ESRCH || errno == ENOENT))
		return cr_err_set(err, CR_SYSTEM, "pid %d ended while it was frozen",
				  (int)a->proc->pid);
	return a->mem < 0 ? cr_err_sys(err, "unable to open %s", path) : 0;
}

/* The ids of SysV segments mean others in another ipc namespace. */
static int check_ipc(const struct cr_agent *a, struct cr_err *err)
{
	char path[64];
	static ino_t own;
	struct stat sb;

	if (!own && stat("/proc/self/ns/ipc", &sb) == 0)
		own = sb.st_ino;
	snprintf(path, sizeof(path), "/proc/%d/ns/ipc", (int)cr_process_eye(a->proc));
	if (!own || stat(path, &sb) < 0)
		return errno == ENOENT ? 0 : cr_err_sys(err, "unable to stat %s", path);
	return own == sb.st_ino ? 0 :
				  agent_refuse(a, err,
					       "in an ipc namespace of its own: no agent can get "
					       "there; run the tools inside of that namespace");
}

/* The task's effective user. */
static int find_user(const struct cr_agent *a, uid_t *euid, struct cr_err *err)
{
	const char *status = cr_tracee_status(a->host, err), *ids;

	if (!status)
		return -1;
	ids = cr_proc_field(status, "Uid");
	if (!ids || sscanf(ids, "%*u %u", euid) != 1)
		return cr_err_set(err, CR_SYSTEM, "/proc/%d/status: not understood",
				  (int)a->proc->pid);
	return 0;
}

int agent_check_thread(const struct cr_agent *a, struct cr_tracee *t, struct cr_err *err)
{
	bool dispatched;

	if (!cr_arch_native(&t->regs))
		return agent_refuse(a, err, "it runs 32-bit code: no agent can run there");
	switch (cr_arch_lacks_key_0(t->tid)) {
	case 0:
		break;
	case 1:
		return agent_refuse(
			a, err,
			"a thread has no rights to memory of protection key 0: no agent "
			"can run there");
	default:
		return cr_err_sys(err, "thread %d: unable to read its XSAVE state", (int)t->tid);
	}
	if (cr_tracee_dispatched(t, &dispatched, err) < 0)
		return -1;
	if (dispatched)
		return agent_refuse(a, err,
				    "its system calls are dispatched to itself: no agent can "
				    "run there");
	return inject_seccomp(t, err);
}

/* Registers first: with them the way out stands, whatever comes. */
static int take_over(struct cr_agent *a, struct cr_err *err)
{
	static const uint64_t none[6];
	struct user_regs_struct regs = a->host->regs;

	cr_arch_call_regs(&regs, a->code.syscall, SYS_getpid, none);
	if (cr_tracee_set_regs(a->host, &regs, err) < 0)
		return -1;
	cr_fault("regs-set");
	return cr_tracee_set_mask(a->host, UINT64_MAX, err);
}

static int start(struct cr_agent *a, struct cr_err *err)
{
	struct cr_agent_ctl *ctl = agent_ctl(a);
	struct cr_vector *v = (struct cr_vector *)(a->local + AGENT_VECTOR);
	struct user_regs_struct regs = a->host->regs;

	ctl->mode = CR_AGENT_SERVE;
	ctl->base = a->base;
	ctl->vector = (struct cr_vector *)(a->base + AGENT_VECTOR);
	ctl->n_guests = a->n_guests;
	for (unsigned int i = 0; i < a->n_guests; i++) {
		/* Its armed word is zero, so that it does not count. */
		ctl->guests[i].mode = CR_AGENT_GUEST;
		ctl->guests[i].armed = a->guests[i].at;
		ctl->guests[i].done = 1;
	}
	v->ctl = (struct cr_agent_ctl *)(a->base + AGENT_CTL);
	v->data = a->base + AGENT_DATA;
	if (cr_alive_hold(ctl, err) < 0)
		return -1;
	cr_arch_enter_regs(&regs, a->base + AGENT_CODE + cr_agent_entry, a->base + AGENT_STACK_TOP,
			   a->base + AGENT_CTL);
	if (cr_tracee_set_regs(a->host, &regs, err) < 0)
		return -1;
	cr_fault("agent-start");
	if (cr_tracee_cont(a->host, err) < 0)
		return -1;
	a->running = true;
	return 0;
}

static int prepare(struct cr_agent *a, struct cr_err *err)
{
	if (open_mem(a, err) < 0 || find_room(a, err) < 0 || check_ipc(a, err) < 0 ||
	    find_user(a, &a->euid, err) < 0 || agent_check_thread(a, a->host, err) < 0 ||
	    agent_make_segment(a, err) < 0)
		return -1;
	return agent_write_exit(a, a->host, a->room.at, 0, &a->code, &agent_ctl(a)->exit, err);
}

int cr_agent_inject(struct cr_process *p, struct cr_err *err)
{
	struct cr_process *owner = p->vm_owner ? p->vm_owner : p;
	struct cr_agent *a;

	if (p->agent)
		return 0;
	/* Two agents would write their exit codes to the same place. */
	if (owner->vm_agent)
		cr_agent_evict(owner->vm_agent);
	if (owner->vm_lost)
		return cr_err_set(err, CR_SYSTEM, "pid %d: its agent is lost", (int)p->pid);
	a = calloc(1, sizeof(*a));
	if (!a)
		return cr_err_sys(err, "out of memory");
	a->proc = p;
	a->host = &p->threads[0];
	a->mem = -1;
	p->agent = owner->vm_agent = a;
	if (prepare(a, err) < 0)
		goto fail;
	cr_fault("slots-written");
	if (take_over(a, err) < 0 || agent_attach(a, err) < 0 || start(a, err) < 0)
		goto fail;
	return 0;
fail:
	cr_agent_evict(a);
	return -1;
}

int cr_agent_syscall(struct cr_agent *a, long nr, const uint64_t args[6], const void *data,
		     size_t len, long *result, struct cr_err *err)
{
	if (len > CR_AGENT_DATA || a->lost || !a->base)
		return cr_err_set(err, CR_SYSTEM, "pid %d: its agent is lost", (int)a->proc->pid);
	memcpy(a->local + AGENT_DATA, data, len);
	if (a->running && cr_tracee_settle(a->host, err) < 0)
		return -1;
	a->running = false;
	return agent_call_kept(a, nr, args, result, err);
}

/* Stop the agent and detach its mapping; the host is still in our code. */
static int leave(struct cr_agent *a, struct cr_err *err)
{
	if (a->running && cr_tracee_settle(a->host, err) < 0)
		return -1;
	a->running = false;
	cr_fault("evict");
	if (!a->base)
		return 0;
	if (agent_detach(a, err) < 0)
		return -1;
	a->base = 0;
	cr_fault("evict-detached");
	return 0;
}

/*
 * Something that must not fail has failed.  Nothing is repaired from here: the
 * agent is told that its owner has died, and every thread of ours is let go as
 * it is, to find its way out by its exit code.
 */
static void abandon(struct cr_agent *a)
{
	struct cr_process *p = a->proc;

	(p->vm_owner ? p->vm_owner : p)->vm_lost = true;
	a->host->leaves = true;
	for (unsigned int i = 0; i < a->n_guests; i++)
		if (a->guests[i].thread)
			a->guests[i].thread->leaves = true;
	if (!a->local)
		return;
	__atomic_store_n(&agent_ctl(a)->alive, FUTEX_OWNER_DIED, __ATOMIC_RELEASE);
	syscall(SYS_futex, &agent_ctl(a)->alive, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static void clear_room(const struct cr_agent *a)
{
	static const uint8_t zeros[(CR_AGENT_GUESTS + 1) * CR_EXIT_CODE_MAX];
	size_t len = a->room.size < sizeof(zeros) ? a->room.size : sizeof(zeros);
	const uint64_t rest = a->room.at + CR_EXIT_CODE_HEAD;

	/* Should that fail: no code leads there any more. */
	if (a->room.at && (pwrite(a->mem, zeros, len - CR_EXIT_CODE_HEAD, (off_t)rest) < 0 ||
			   pwrite(a->mem, zeros, CR_EXIT_CODE_HEAD, (off_t)a->room.at) < 0))
		return;
	cr_fault("evict-cleared");
}

void cr_agent_evict(struct cr_agent *a)
{
	struct cr_err err;
	bool clean = false;

	if (a->host->state != CR_TRACEE_GONE) {
		clean = !a->lost && leave(a, &err) == 0;
		if (clean && cr_tracee_restore(a->host, &err) == 0) {
			cr_fault("evicted");
			clear_room(a);
		} else {
			clean = false;
			abandon(a);
		}
	}
	if (a->local)
		agent_drop_segment(a, clean);
	if (a->mem >= 0)
		close(a->mem);
	a->proc->agent = NULL;
	if (a->proc->vm_owner)
		a->proc->vm_owner->vm_agent = NULL;
	a->proc->vm_agent = NULL;
	free(a);
}

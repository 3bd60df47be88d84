/* SPDX-License-Identifier: MIT */
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "inject-impl.h"
#include "liveness.h"
#include "proc.h"
#include "vdso.h"

static struct cr_agent_ctl *volatile waiting_on;

static struct cr_vector *vector_of(const struct cr_agent *a)
{
	return (struct cr_vector *)(a->local + AGENT_VECTOR);
}

uint64_t cr_agent_address(const struct cr_agent *a)
{
	return a->base;
}

uint64_t cr_agent_length(const struct cr_agent *a)
{
	(void)a;
	return AGENT_LENGTH;
}

uint64_t cr_agent_data(const struct cr_agent *a)
{
	return a->base + AGENT_DATA;
}

void cr_agent_on_sigchld(void)
{
	if (waiting_on)
		__atomic_fetch_add(&waiting_on->doorbell, 1, __ATOMIC_RELEASE);
}

static long futex(uint32_t *word, int op, uint32_t val)
{
	return syscall(SYS_futex, word, op, val, NULL, NULL, 0);
}

int agent_write_slot(struct cr_agent *a, enum agent_slot slot, const struct cr_tracee *t,
		     uint64_t word, struct cr_err *err)
{
	uint64_t at = a->pad + (uint64_t)slot * CR_EXIT_CODE_MAX;
	uint8_t buf[CR_EXIT_CODE_MAX];
	size_t len =
		cr_arch_exit_code(buf, sizeof(buf), at, &t->regs, t->sigmask, word, &a->code[slot]);

	if (pwrite(a->mem, buf, len, (off_t)at) != (ssize_t)len)
		return cr_err_sys(err, "pid %d: unable to write the exit code into the vDSO",
				  (int)t->pid);
	return 0;
}

static int find_padding(struct cr_agent *a, struct cr_err *err)
{
	struct cr_vdso own;
	uint64_t start;

	if (cr_vdso_own(&own, err) < 0 || cr_vdso_of(a->proc->pid, &start, err) < 0)
		return -1;
	if (!start || own.size - own.used < AGENT_SLOTS * CR_EXIT_CODE_MAX + 16)
		return cr_err_set(err, CR_REFUSED, "pid %d: its vDSO has no room for the exit code",
				  (int)a->proc->pid);
	a->pad = start + ((own.used + 15) & ~15ul);
	for (unsigned int k = 0; k < a->proc->n_threads; k++)
		if (a->proc->threads[k].regs.rip - a->pad < own.size - own.used)
			return cr_err_set(err, CR_REFUSED,
					  "pid %d: thread %d is still leaving an earlier freeze; "
					  "try again",
					  (int)a->proc->pid, (int)a->proc->threads[k].tid);
	return 0;
}

static int open_mem(struct cr_agent *a, struct cr_err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)a->proc->pid);
	a->mem = open(path, O_RDWR | O_CLOEXEC);
	return a->mem < 0 ? cr_err_sys(err, "unable to open %s", path) : 0;
}

static int task_euid(pid_t pid, uid_t *euid, struct cr_err *err)
{
	cr_auto_free char *status = NULL;
	const char *ids;

	if (cr_proc_read(pid, "status", &status, NULL, err) < 0)
		return -1;
	ids = cr_proc_field(status, "Uid");
	if (!ids || sscanf(ids, "%*u %u", euid) != 1)
		return cr_err_set(err, CR_SYSTEM, "/proc/%d/status: not understood", (int)pid);
	return 0;
}

/*
 * The segment: attached here, owned by the task's user, and already marked for
 * removal, so that it goes with its last attachment.
 */
static int make_segment(struct cr_agent *a, int *id, struct cr_err *err)
{
	struct shmid_ds ds;
	uid_t euid;

	if (task_euid(a->proc->pid, &euid, err) < 0)
		return -1;
	*id = shmget(IPC_PRIVATE, AGENT_LENGTH, IPC_CREAT | 0700);
	if (*id < 0)
		return cr_err_sys(err, "shmget");
	a->local = shmat(*id, NULL, 0);
	if (a->local == (void *)-1) {
		a->local = NULL;
		shmctl(*id, IPC_RMID, NULL);
		return cr_err_sys(err, "shmat");
	}
	if (shmctl(*id, IPC_STAT, &ds) == 0 && ds.shm_perm.uid != euid) {
		ds.shm_perm.uid = euid;
		shmctl(*id, IPC_SET, &ds);
	}
	if (shmctl(*id, IPC_RMID, NULL) < 0)
		return cr_err_sys(err, "shmctl");
	memcpy(a->local + AGENT_CODE, cr_agent_blob, cr_agent_blob_size);
	return 0;
}

int agent_point_home(struct cr_agent *a, enum agent_slot slot, struct cr_tracee *t,
		     struct cr_err *err)
{
	static const uint64_t none[6];
	struct user_regs_struct regs = t->regs;

	cr_arch_call_regs(&regs, a->code[slot].syscall, SYS_getpid, none);
	return cr_tracee_set_regs(t, &regs, err);
}

int agent_take_over(struct cr_agent *a, enum agent_slot slot, struct cr_tracee *t,
		    struct cr_err *err)
{
	if (agent_point_home(a, slot, t, err) < 0)
		return -1;
	cr_fault("regs-set");
	return cr_tracee_set_mask(t, UINT64_MAX, err);
}

int agent_enter(struct cr_agent *a, struct cr_tracee *t, uint64_t ctl, uint64_t stack_top,
		struct cr_err *err)
{
	struct user_regs_struct regs = t->regs;

	cr_arch_enter_regs(&regs, a->base + AGENT_CODE + cr_agent_entry, a->base + stack_top,
			   a->base + ctl);
	if (cr_tracee_set_regs(t, &regs, err) < 0)
		return -1;
	cr_fault("agent-start");
	return cr_tracee_cont(t, err);
}

static int attach(struct cr_agent *a, int id, struct cr_err *err)
{
	uint64_t args[6] = { (uint64_t)id, 0, SHM_EXEC };
	uint64_t at = a->code[AGENT_SLOT_HOST].syscall;
	long base = -1;

	cr_fault("attach");
	if (cr_tracee_syscall(a->host, at, SYS_shmat, args, &base, err) < 0)
		return -1;
	if (base < 0 && base > -4096)
		return cr_err_set(err, CR_REFUSED,
				  "pid %d: it cannot attach the agent's memory: %s",
				  (int)a->proc->pid, strerror((int)-base));
	a->base = (uint64_t)base;
	cr_fault("attached");
	return 0;
}

static int start(struct cr_agent *a, struct cr_err *err)
{
	struct cr_agent_ctl *ctl = agent_ctl(a);

	ctl->mode = CR_AGENT_SERVE;
	ctl->base = a->base;
	ctl->leave = a->code[AGENT_SLOT_HOST].leave;
	ctl->sigmask = a->host->sigmask;
	ctl->restart = cr_arch_restart(&a->host->regs);
	ctl->vector = (struct cr_vector *)(a->base + AGENT_VECTOR);
	vector_of(a)->ctl = (struct cr_agent_ctl *)(a->base + AGENT_CTL);
	if (cr_alive_hold(ctl, err) < 0 ||
	    agent_enter(a, a->host, AGENT_CTL, AGENT_STACK_TOP, err) < 0)
		return -1;
	a->running = true;
	return 0;
}

int cr_agent_inject(struct cr_process *p, struct cr_err *err)
{
	struct cr_agent *a;
	int id = -1;

	if (p->agent)
		return 0;
	a = calloc(1, sizeof(*a));
	if (!a)
		return cr_err_sys(err, "out of memory");
	a->proc = p;
	a->host = &p->threads[0];
	a->mem = -1;
	p->agent = a;
	if (open_mem(a, err) < 0 || find_padding(a, err) < 0 || make_segment(a, &id, err) < 0 ||
	    agent_write_slot(a, AGENT_SLOT_HOST, a->host, 0, err) < 0)
		goto fail;
	cr_fault("slots-written");
	if (agent_take_over(a, AGENT_SLOT_HOST, a->host, err) < 0 || attach(a, id, err) < 0 ||
	    start(a, err) < 0)
		goto fail;
	return 0;
fail:
	cr_agent_evict(a);
	return -1;
}

int agent_wait_finished(struct cr_agent *a, const struct cr_agent_ctl *ctl, uint32_t number,
			struct cr_tracee *t, struct cr_err *err)
{
	struct cr_agent_ctl *host = agent_ctl(a);
	uint32_t bell;
	int ret = 0;

	waiting_on = host;
	for (;;) {
		bell = __atomic_load_n(&host->doorbell, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&ctl->finished, __ATOMIC_ACQUIRE) == number)
			break;
		ret = cr_tracee_poll(t, err);
		if (ret)
			break;
		futex(&host->doorbell, FUTEX_WAIT, bell);
	}
	waiting_on = NULL;
	if (ret > 0)
		return cr_err_set(err, CR_SYSTEM, "pid %d ended while it was frozen",
				  (int)a->proc->pid);
	return ret;
}

int agent_check_size(const struct cr_agent *a, uint32_t count, size_t data_len, struct cr_err *err)
{
	if (count > CR_AGENT_OPS || data_len > CR_AGENT_DATA)
		return cr_err_set(err, CR_BAD_INPUT, "pid %d: a vector that is too long",
				  (int)a->proc->pid);
	return 0;
}

int cr_agent_run(struct cr_agent *a, struct cr_op *ops, uint32_t count, void *data, size_t data_len,
		 uint32_t *done, struct cr_err *err)
{
	struct cr_agent_ctl *ctl = agent_ctl(a);
	struct cr_vector *v = vector_of(a);
	uint32_t command = ctl->command + 1;

	if (agent_check_size(a, count, data_len, err) < 0)
		return -1;
	memcpy(v->ops, ops, count * sizeof(*ops));
	v->count = count;
	if (data_len)
		memcpy(a->local + AGENT_DATA, data, data_len);
	__atomic_store_n(&ctl->command, command, __ATOMIC_RELEASE);
	futex(&ctl->command, FUTEX_WAKE, 1);
	cr_fault("agent-run");
	if (agent_wait_finished(a, ctl, command, a->host, err) < 0)
		return -1;
	memcpy(ops, v->ops, count * sizeof(*ops));
	if (data_len)
		memcpy(data, a->local + AGENT_DATA, data_len);
	*done = v->done;
	return 0;
}

/* Stop the agent and detach its mapping; the host is still in our code. */
static int leave(struct cr_agent *a, struct cr_err *err)
{
	uint64_t args[6] = { a->base };
	uint64_t at = a->code[AGENT_SLOT_HOST].syscall;
	long result;

	if (a->running && cr_tracee_settle(a->host, err) < 0)
		return -1;
	a->running = false;
	cr_fault("evict");
	if (!a->base)
		return 0;
	if (cr_tracee_syscall(a->host, at, SYS_shmdt, args, &result, err) < 0)
		return -1;
	a->base = 0;
	return 0;
}

void cr_agent_evict(struct cr_agent *a)
{
	static const uint8_t zeros[AGENT_SLOTS * CR_EXIT_CODE_MAX];
	struct cr_err err;

	if (a->host->state != CR_TRACEE_GONE && leave(a, &err) == 0 &&
	    cr_tracee_restore(a->host, &err) == 0) {
		cr_fault("evicted");
		if (a->pad && pwrite(a->mem, zeros, sizeof(zeros), (off_t)a->pad) < 0)
			cr_fault("never");	/* harmless: no code leads there */
	}
	if (a->local) {
		cr_alive_drop(agent_ctl(a));
		shmdt(a->local);
	}
	if (a->mem >= 0)
		close(a->mem);
	a->proc->agent = NULL;
	free(a);
}

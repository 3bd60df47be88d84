/* SPDX-License-Identifier: MIT */
/*
 * The memory of an agent: a System V segment, attached here and in the task.
 *
 * A task may forbid memory that is writable and executable.  It gets the
 * segment read-only and executable then, and over all but the code another one.
 * From the first of these calls on, the exit code detaches both, and whatever
 * a later call returns, it goes by the address of the first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "clean.h"
#include "fault.h"
#include "inject-agent.h"
#include "liveness.h"
#include "prefault.h"
#include "proc.h"

#define DATA_LENGTH (AGENT_LENGTH - AGENT_CTL)
#define OFTEN_VECTOR 16384
#define OFTEN_DATA 8192

/*
 * The segment of an agent that has left serves the next one of the same user:
 * it costs a dozen page faults to make another.
 */
static _Thread_local struct {
	uint8_t *local;		/* NULL: none */
	int id;
	uid_t euid;
} spare;

static bool take_spare(struct cr_agent *a)
{
	uint8_t *local = spare.local;

	spare.local = NULL;
	if (local && spare.euid != a->euid) {
		shmdt(local);
		return false;
	}
	if (!local)
		return false;
	a->local = local;
	a->segment = spare.id;
	memset(agent_ctl(a), 0, sizeof(*agent_ctl(a)));
	return true;
}

void agent_drop_segment(struct cr_agent *a, bool clean)
{
	cr_alive_drop(agent_ctl(a));
	if (a->apart || !clean || spare.local) {
		shmdt(a->local);
		if (a->apart)
			shmdt(a->local + AGENT_CTL);
		return;
	}
	spare.local = a->local;
	spare.id = a->segment;
	spare.euid = a->euid;
}

/*
 * A segment: attached here, at @at or (NULL) anywhere, owned by the task's
 * user, and already marked for removal, so that it goes with its last
 * attachment.
 */
static int make(size_t length, uid_t euid, void *at, uint8_t **local, int *id, struct cr_err *err)
{
	struct shmid_ds ds;
	void *p;

	*id = shmget(IPC_PRIVATE, length, IPC_CREAT | 0700);
	if (*id < 0)
		return cr_err_sys(err, "shmget");
	p = shmat(*id, at, at ? SHM_REMAP : 0);
	if (p == (void *)-1) {
		int saved = errno;

		shmctl(*id, IPC_RMID, NULL);
		errno = saved;
		return cr_err_sys(err, "shmat");
	}
	*local = p;
	if (shmctl(*id, IPC_STAT, &ds) == 0 && ds.shm_perm.uid != euid) {
		ds.shm_perm.uid = euid;
		shmctl(*id, IPC_SET, &ds);
	}
	return shmctl(*id, IPC_RMID, NULL) < 0 ? cr_err_sys(err, "shmctl") : 0;
}

static int make_spare(uid_t euid, struct cr_err *err)
{
	if (make(AGENT_LENGTH, euid, NULL, &spare.local, &spare.id, err) < 0)
		return -1;
	spare.euid = euid;
	memcpy(spare.local + AGENT_CODE, cr_agent_blob, cr_agent_blob_size);
	return 0;
}

int agent_make_segment(struct cr_agent *a, struct cr_err *err)
{
	if (take_spare(a))
		return 0;
	return make_spare(a->euid, err) < 0 || !take_spare(a) ? -1 : 0;
}

/* What a vector of some length and the thread that runs it will touch. */
static void prefault_spare(void)
{
	cr_prefault(spare.local + AGENT_CTL, AGENT_STACK_TOP - AGENT_CTL);
	cr_prefault(spare.local + AGENT_VECTOR, OFTEN_VECTOR);
	cr_prefault(spare.local + AGENT_DATA, OFTEN_DATA);
}

void cr_agent_prepare(pid_t pid)
{
	cr_auto_free char *status = NULL;
	struct cr_err ignored;
	const char *ids;
	uid_t euid;

	if (spare.local || cr_proc_read(pid, "status", &status, NULL, &ignored) < 0)
		return;
	ids = cr_proc_field(status, "Uid");
	if (ids && sscanf(ids, "%*u %u", &euid) == 1 && make_spare(euid, &ignored) == 0)
		prefault_spare();
}

int agent_call_kept(struct cr_agent *a, long nr, const uint64_t args[6], long *result,
		    struct cr_err *err)
{
	struct user_regs_struct regs = a->host->regs;

	cr_arch_call_regs(&regs, a->code.syscall_kept, nr, args);
	cr_arch_keep_regs(&regs, a->base);
	return cr_tracee_call(a->host, &regs, result, err);
}

static bool is_error(long result)
{
	return result < 0 && result > -4096;
}

/* The first call, after which nothing is attached but what it returned. */
static int attach_first(struct cr_agent *a, uint64_t flags, long *base, struct cr_err *err)
{
	uint64_t args[6] = { (uint64_t)a->segment, 0, flags };

	if (cr_tracee_syscall(a->host, a->code.syscall, SYS_shmat, args, base, err) < 0) {
		/* It may have been made: only the exit code has what it returned. */
		a->lost = true;
		return -1;
	}
	if (!is_error(*base))
		a->base = (uint64_t)*base;
	return 0;
}

/*
 * The exit code is as long as before up to where the host stands in it, after
 * its system call.
 */
static int attach_apart(struct cr_agent *a, struct cr_err *err)
{
	uint64_t args[6] = { 0, 0, SHM_REMAP };
	uint8_t *data;
	long result;
	int id;

	if (make(DATA_LENGTH, a->euid, a->local + AGENT_CTL, &data, &id, err) < 0)
		return -1;
	a->apart = true;
	if (agent_write_exit(a, a->host, a->room.at, 0, &a->code, &agent_ctl(a)->exit, err) < 0)
		return -1;
	cr_fault("apart-code");
	if (attach_first(a, SHM_RDONLY | SHM_EXEC, &result, err) < 0)
		return -1;
	if (is_error(result))
		return agent_no_memory(a, (int)-result, err);
	cr_fault("apart-attached");
	args[0] = (uint64_t)id;
	args[1] = a->base + AGENT_CTL;
	if (agent_call_kept(a, SYS_shmat, args, &result, err) < 0)
		return -1;
	return is_error(result) ? agent_no_memory(a, (int)-result, err) : 0;
}

int agent_attach(struct cr_agent *a, struct cr_err *err)
{
	long base;

	cr_fault("attach");
	if (attach_first(a, SHM_EXEC, &base, err) < 0)
		return -1;
	if (is_error(base) && base != -EACCES)
		return agent_no_memory(a, (int)-base, err);
	if (is_error(base) && attach_apart(a, err) < 0)
		return -1;
	cr_fault("attached");
	return 0;
}

/* Both by shmdt(2), which its seccomp filters are known to allow. */
int agent_detach(struct cr_agent *a, struct cr_err *err)
{
	uint64_t args[6] = { a->base + AGENT_CTL };
	long result;

	if (a->apart && agent_call_kept(a, SYS_shmdt, args, &result, err) < 0)
		return -1;
	args[0] = a->base;
	return cr_tracee_syscall(a->host, a->code.syscall, SYS_shmdt, args, &result, err);
}

bool cr_agent_has_length(uint64_t length)
{
	return length == AGENT_LENGTH || length == DATA_LENGTH || length == AGENT_CTL;
}

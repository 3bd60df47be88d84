/* SPDX-License-Identifier: MIT */
#include "inject-seccomp.h"

#include <asm/prctl.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "prctl-nr.h"
#include "proc.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449	/* 5.16 */
#endif

/* Some address, for filters that look at one. */
#define SOMEWHERE 0x7f0000000000ull
#define MASK_BYTES 8

struct call {
	const char *name;
	int nr;
	bool way_out;	/* must work, not only do no harm */
	uint64_t args[4];
};

#define CALL(name, ...)                   \
	{                                \
#name, SYS_##name, false, \
		{                        \
			__VA_ARGS__      \
		}                        \
	}
#define WAY_OUT(name, ...)               \
	{                                \
#name, SYS_##name, true, \
		{                        \
			__VA_ARGS__      \
		}                        \
	}

/* All that the agent and those who use it at a dump may be about to do. */
static const struct call calls[] = {
	WAY_OUT(shmdt, SOMEWHERE),
	WAY_OUT(rt_sigprocmask, SIG_SETMASK, SOMEWHERE, 0, MASK_BYTES),
	CALL(rt_sigpending, SOMEWHERE, MASK_BYTES),
	CALL(rt_sigaction, SIGUSR1, 0, SOMEWHERE, MASK_BYTES),
	CALL(futex, SOMEWHERE, FUTEX_WAKE, 1),
	CALL(futex, SOMEWHERE, FUTEX_WAIT),
	CALL(futex_waitv, SOMEWHERE, 2),
	CALL(getpid),
	CALL(getppid),
	CALL(shmat, 1, 0, SHM_EXEC),
	CALL(shmat, 1, 0, SHM_RDONLY | SHM_EXEC),
	CALL(shmat, 1, SOMEWHERE, SHM_REMAP),
	CALL(sigaltstack, 0, SOMEWHERE),
	CALL(get_mempolicy, SOMEWHERE, SOMEWHERE, 1025),
	CALL(getitimer, 0, SOMEWHERE),
	CALL(brk),
	CALL(membarrier, 1 << 9),
	CALL(timer_gettime, 0, SOMEWHERE),
	CALL(timer_getoverrun),
	CALL(wait4, 1, 0, 0x40000000),
	CALL(arch_prctl, ARCH_GET_CPUID),
	CALL(arch_prctl, 0x1022, SOMEWHERE),
	CALL(prctl, PR_GET_TID_ADDRESS, SOMEWHERE),
	CALL(prctl, PR_GET_PDEATHSIG, SOMEWHERE),
	CALL(prctl, PR_GET_TSC, SOMEWHERE),
	CALL(prctl, PR_GET_SECUREBITS),
	CALL(prctl, PR_MCE_KILL_GET),
	CALL(prctl, PR_GET_IO_FLUSHER),
	CALL(prctl, PR_GET_TIMERSLACK),
	CALL(prctl, PR_GET_SPECULATION_CTRL),
	CALL(prctl, PR_GET_CHILD_SUBREAPER, SOMEWHERE),
	CALL(prctl, PR_GET_DUMPABLE),
	CALL(prctl, PR_GET_THP_DISABLE),
	CALL(prctl, PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0),
	CALL(prctl, CR_PR_GET_MDWE),
	CALL(prctl, CR_PR_GET_MEMORY_MERGE),
	CALL(prctl, CR_PR_TIMER_IDS, CR_PR_TIMER_IDS_GET),
	CALL(prctl, CR_PR_FUTEX_HASH, CR_PR_FUTEX_HASH_GET_SLOTS),
};

static bool harmless(const struct call *c, uint32_t verdict)
{
	switch (verdict & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return true;
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_TRACE:	/* nobody traces it then: ENOSYS */
		return !c->way_out;
	default:
		return false;
	}
}

const char *inject_seccomp_forbids(const struct cr_tracee *t, const struct cr_filter *list,
				   size_t count)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const struct call *c = &calls[i];
		struct seccomp_data d = {
			.nr = c->nr,
			.arch = AUDIT_ARCH_X86_64,
			.instruction_pointer = t->regs.rip,
			.args = { c->args[0], c->args[1], c->args[2], c->args[3] },
		};

		if (!harmless(c, cr_filters_judge(list, count, &d)))
			return c->name;
	}
	return NULL;
}

static int find_mode(struct cr_tracee *t, struct cr_err *err)
{
	const char *status, *mode;

	if (t->seccomp)
		return 0;
	status = cr_tracee_status(t, err);
	if (!status)
		return -1;
	mode = cr_proc_field(status, "Seccomp");
	t->seccomp = mode ? *mode : '0';
	return 0;
}

int inject_seccomp(struct cr_tracee *t, struct cr_err *err)
{
	struct cr_filter *list;
	const char *call;
	size_t count;

	if (find_mode(t, err) < 0)
		return -1;
	if (t->seccomp == '0' || t->suspended)
		return 0;
	if (t->seccomp == '1')
		return cr_err_set(err, CR_REFUSED,
				  "pid %d: thread %d: seccomp strict mode, in which no agent can "
				  "run: not supported",
				  (int)t->pid, (int)t->tid);
	if (cr_filters_get(t->tid, &list, &count, err) < 0)
		return -1;
	call = inject_seccomp_forbids(t, list, count);
	cr_filters_free(list, count);
	if (call)
		return cr_err_set(err, CR_REFUSED,
				  "pid %d: thread %d: its seccomp filters forbid %s(2), which an "
				  "agent needs: not supported",
				  (int)t->pid, (int)t->tid, call);
	return cr_tracee_suspend_seccomp(t, err);
}

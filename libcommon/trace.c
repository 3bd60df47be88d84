/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arch.h"
#include "clean.h"
#include "proc.h"

#define EVENT(status) ((status) >> 16)
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define SIGSET_BYTES 8
#define TICK_NS 2000000		/* how often to look for a death that nobody tells of */
#define LOOK_NS 100000000ull	/* how often to look why our code does not run */

/* glibc declares ptrace() with an enum; system calls are what we mean. */
static long pt(long req, pid_t tid, unsigned long addr, unsigned long data)
{
	return syscall(SYS_ptrace, req, (long)tid, addr, data);
}

static int ended(struct cr_tracee *t, struct cr_err *err)
{
	t->state = CR_TRACEE_GONE;
	return cr_err_set(err, CR_SYSTEM, "pid %d: thread %d ended while it was frozen",
			  (int)t->pid, (int)t->tid);
}

static int failed(struct cr_tracee *t, struct cr_err *err, const char *what)
{
	if (errno == ESRCH)
		return ended(t, err);
	return cr_err_sys(err, "pid %d: thread %d: %s", (int)t->pid, (int)t->tid, what);
}

/* State and tracer of a thread; '\0' when there is no such thread. */
static char thread_state(pid_t tid, pid_t *tracer)
{
	cr_auto_free char *status = NULL;
	const char *state, *by;
	struct cr_err ignored;

	*tracer = 0;
	if (cr_proc_read(tid, "status", &status, NULL, &ignored) < 0)
		return '\0';
	state = cr_proc_field(status, "State");
	by = cr_proc_field(status, "TracerPid");
	if (by)
		*tracer = (pid_t)strtol(by, NULL, 10);
	return state ? *state : '\0';
}

static int seize_refused(struct cr_tracee *t, struct cr_err *err)
{
	int saved = errno;
	pid_t tracer;
	char state = thread_state(t->tid, &tracer);

	if (!state || state == 'Z' || state == 'X')
		return 1;
	if (tracer == getpid()) {
		/* Attached at its birth, or left running by an attempt that
		 * was given up: either way it has a stop to come. */
		t->state = CR_TRACEE_RUNNING;
		return 0;
	}
	if (tracer)
		return cr_err_set(err, CR_REFUSED,
				  "pid %d: thread %d: already traced by pid %d; detach it",
				  (int)t->pid, (int)t->tid, (int)tracer);
	return cr_err_set(err, saved == EPERM ? CR_REFUSED : CR_SYSTEM,
			  "pid %d: thread %d: unable to trace it: %s", (int)t->pid, (int)t->tid,
			  strerror(saved));
}

int cr_tracee_seize(struct cr_tracee *t, pid_t pid, pid_t tid, struct cr_err *err)
{
	memset(t, 0, sizeof(*t));
	t->pid = pid;
	t->tid = tid;
	t->state = CR_TRACEE_GONE;
	if (pt(PTRACE_SEIZE, tid, 0, CR_TRACE_OPTIONS) < 0)
		return errno == ESRCH ? 1 : seize_refused(t, err);
	t->state = CR_TRACEE_RUNNING;
	return cr_tracee_interrupt(t, err);
}

int cr_tracee_interrupt(struct cr_tracee *t, struct cr_err *err)
{
	if (pt(PTRACE_INTERRUPT, t->tid, 0, 0) < 0 && errno != ESRCH)
		return failed(t, err, "PTRACE_INTERRUPT");
	return 0;
}

uint64_t cr_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Has it something to report?  0 and *status (0: no), 1 it ended, -1 error. */
static int look(struct cr_tracee *t, int *status, struct cr_err *err)
{
	pid_t got = waitpid(t->tid, status, __WALL | WNOHANG);

	if (got < 0 && errno != ECHILD)
		return cr_err_sys(err, "waitpid %d", (int)t->tid);
	if (got < 0 || (got > 0 && !WIFSTOPPED(*status))) {
		t->state = CR_TRACEE_GONE;
		return 1;
	}
	if (got == 0)
		*status = 0;
	return 0;
}

static _Thread_local bool chld_blocked;

void cr_trace_block_sigchld(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, old);
	chld_blocked = true;
}

void cr_trace_unblock_sigchld(const sigset_t *old)
{
	chld_blocked = sigismember(old, SIGCHLD);
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

/*
 * Next stop of the tracee: 0 and *status, 1 it ended, 2 not in time, -1 error.
 *
 * A blocking waitpid() would wait for ever for a leader that is dead while
 * other threads of its process are not yet waited for, so look whenever a
 * SIGCHLD comes; each stop sends one.
 */
static int next_stop(struct cr_tracee *t, uint64_t until_ns, int *status, struct cr_err *err)
{
	static const struct timespec tick = { 0, TICK_NS };
	int ret = look(t, status, err);
	sigset_t sigchld, old;
	pid_t tracer;

	if (ret || *status)
		return ret;
	if (!until_ns)
		return 2;
	sigemptyset(&sigchld);
	sigaddset(&sigchld, SIGCHLD);
	if (!chld_blocked)
		pthread_sigmask(SIG_BLOCK, &sigchld, &old);
	for (;;) {
		ret = look(t, status, err);
		if (ret || *status)
			break;
		if (sigtimedwait(&sigchld, NULL, &tick) == SIGCHLD)
			continue;
		if (thread_state(t->tid, &tracer) == 'Z') {
			t->state = CR_TRACEE_GONE;
			ret = 1;
			break;
		}
		if (cr_now_ns() >= until_ns) {
			ret = 2;
			break;
		}
	}
	if (!chld_blocked)
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

static bool is_stop_signal(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE ||
	       sig == SIGTRAP || sig == SIGSYS;
}

/* The signal that the tracee would have got at this stop, or 0. */
static int stop_signal(struct cr_tracee *t, int status)
{
	int sig = WSTOPSIG(status);

	if (EVENT(status) || sig == SYSCALL_STOP)
		return 0;
	if (t->changed && is_fault(sig)) {
		/* Our code's own fault is not the task's. */
		t->crash = sig;
		t->state = CR_TRACEE_IN_CALL;
		return 0;
	}
	return sig;
}

static void note_birth(struct cr_tracee *t, int status)
{
	unsigned long born;

	switch (EVENT(status)) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		if (pt(PTRACE_GETEVENTMSG, t->tid, 0, (unsigned long)&born) == 0)
			t->born = (pid_t)born;
		t->vforked = EVENT(status) == PTRACE_EVENT_VFORK;
		break;
	default:
		break;
	}
}

int cr_tracee_wait_stop(struct cr_tracee *t, uint64_t until_ns, struct cr_err *err)
{
	int status, ret, sig;

	for (;;) {
		ret = next_stop(t, until_ns, &status, err);
		if (ret)
			return ret;
		if (EVENT(status) == PTRACE_EVENT_STOP) {
			t->state = CR_TRACEE_STOPPED;
			sig = WSTOPSIG(status);
			if (is_stop_signal(sig) && !t->changed)
				t->stop_signal = sig;
			return 0;
		}
		/*
		 * Another stop came first, and has swallowed the one that was
		 * asked for.  A signal is delivered as it would have been.
		 */
		note_birth(t, status);
		sig = stop_signal(t, status);
		if (cr_tracee_interrupt(t, err) < 0)
			return -1;
		if (pt(PTRACE_CONT, t->tid, 0, (unsigned long)sig) < 0 && errno != ESRCH)
			return failed(t, err, "PTRACE_CONT");
	}
}

static bool peek(const struct cr_tracee *t, uint64_t from, void *to, size_t len)
{
	struct iovec local = { to, len }, remote = { (void *)from, len };

	return process_vm_readv(t->tid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

/*
 * A thread that was interrupted inside of a restartable sequence goes on at
 * the abort handler.  The kernel would do that on its way out of this stop,
 * but not once the thread has run anything of ours in between.
 */
static void abort_rseq(struct cr_tracee *t)
{
	struct {
		uint32_t version, flags;
		uint64_t start, length, abort;
	} cs;
	uint64_t ptr = 0;

	if (!peek(t, t->rseq.rseq_abi_pointer + 8, &ptr, sizeof(ptr)) || !ptr ||
	    !peek(t, ptr, &cs, sizeof(cs)))
		return;
	if (t->regs.rip - cs.start < cs.length)
		t->regs.rip = cs.abort;
}

int cr_tracee_save(struct cr_tracee *t, struct cr_err *err)
{
	struct iovec iov = { &t->regs, sizeof(t->regs) };

	if (pt(PTRACE_GETREGSET, t->tid, NT_PRSTATUS, (unsigned long)&iov) < 0)
		return failed(t, err, "PTRACE_GETREGSET");
	/* At once, so that it holds even if nobody restores anything. */
	if (cr_arch_take_up(&t->regs) &&
	    pt(PTRACE_SETREGSET, t->tid, NT_PRSTATUS, (unsigned long)&iov) < 0)
		return failed(t, err, "PTRACE_SETREGSET");
	if (pt(PTRACE_GETSIGMASK, t->tid, SIGSET_BYTES, (unsigned long)&t->sigmask) < 0)
		return failed(t, err, "PTRACE_GETSIGMASK");
	/* Fails with EINVAL on kernels without rseq. */
	if (pt(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, sizeof(t->rseq), (unsigned long)&t->rseq) < 0)
		memset(&t->rseq, 0, sizeof(t->rseq));
	if (t->rseq.rseq_abi_pointer)
		abort_rseq(t);
	t->saved = true;
	return 0;
}

int cr_tracee_set_regs(struct cr_tracee *t, const struct user_regs_struct *regs, struct cr_err *err)
{
	struct iovec iov = { (void *)regs, sizeof(*regs) };

	t->changed = true;
	if (pt(PTRACE_SETREGSET, t->tid, NT_PRSTATUS, (unsigned long)&iov) < 0)
		return failed(t, err, "PTRACE_SETREGSET");
	return 0;
}

int cr_tracee_set_mask(struct cr_tracee *t, uint64_t mask, struct cr_err *err)
{
	t->changed = true;
	if (pt(PTRACE_SETSIGMASK, t->tid, SIGSET_BYTES, (unsigned long)&mask) < 0)
		return failed(t, err, "PTRACE_SETSIGMASK");
	return 0;
}

/* The next stop of a tracee that runs our code.  0; 1 it does not run; -1 error. */
static int stop_of_ours(struct cr_tracee *t, int *status, struct cr_err *err)
{
	uint64_t until = cr_now_ns() + CR_TRACE_PATIENCE_NS, now;
	int ret;

	do {
		now = cr_now_ns();
		ret = next_stop(t, now + LOOK_NS, status, err);
		if (ret != 2)
			return ret > 0 ? ended(t, err) : ret;
	} while (now < until && !cr_tracee_is_held(t));
	return 1;
}

/* Run to the next system call stop.  0; 1 it does not run; -1 error. */
static int to_syscall_stop(struct cr_tracee *t, struct cr_err *err)
{
	int status, ret, sig = 0;

	for (;;) {
		if (pt(PTRACE_SYSCALL, t->tid, 0, (unsigned long)sig) < 0)
			return failed(t, err, "PTRACE_SYSCALL");
		ret = stop_of_ours(t, &status, err);
		if (ret > 0)
			t->state = CR_TRACEE_RUNNING;
		if (ret)
			return ret;
		if (WSTOPSIG(status) == SYSCALL_STOP && !EVENT(status)) {
			t->state = CR_TRACEE_IN_CALL;
			return 0;
		}
		sig = stop_signal(t, status);
		if (t->crash)
			return cr_err_set(err, CR_SYSTEM, "pid %d: thread %d: our code crashed",
					  (int)t->pid, (int)t->tid);
	}
}

int cr_tracee_call(struct cr_tracee *t, const struct user_regs_struct *call, long *result,
		   struct cr_err *err)
{
	struct user_regs_struct regs = *call;
	struct iovec iov = { &regs, sizeof(regs) };
	uint64_t ip = cr_arch_instruction_pointer(call);
	int held;

	/* In at the call's entry, and stopped again on the way out of it. */
	if (cr_tracee_set_regs(t, &regs, err) < 0)
		return -1;
	held = to_syscall_stop(t, err);
	if (held < 0 || cr_tracee_settle(t, err) < 0)
		return -1;
	if (pt(PTRACE_GETREGSET, t->tid, NT_PRSTATUS, (unsigned long)&iov) < 0)
		return failed(t, err, "PTRACE_GETREGSET");
	/* It may have run in the last moment. */
	if (held && cr_arch_instruction_pointer(&regs) == ip)
		return cr_tracee_late(t, err);
	*result = cr_arch_result(&regs);
	return 0;
}

int cr_tracee_syscall(struct cr_tracee *t, uint64_t ip, long nr, const uint64_t args[6],
		      long *result, struct cr_err *err)
{
	struct user_regs_struct regs = t->regs;

	cr_arch_call_regs(&regs, ip, nr, args);
	return cr_tracee_call(t, &regs, result, err);
}

const char *cr_tracee_status(struct cr_tracee *t, struct cr_err *err)
{
	char name[48];

	if (!t->status) {
		snprintf(name, sizeof(name), "task/%d/status", (int)t->tid);
		if (cr_proc_read(t->pid, name, &t->status, NULL, err) < 0)
			return NULL;
	}
	return t->status;
}

void cr_tracee_forget_status(struct cr_tracee *t)
{
	free(t->status);
	t->status = NULL;
}

int cr_tracee_cont(struct cr_tracee *t, struct cr_err *err)
{
	if (pt(PTRACE_CONT, t->tid, 0, 0) < 0)
		return failed(t, err, "PTRACE_CONT");
	t->state = CR_TRACEE_RUNNING;
	return 0;
}

int cr_tracee_poll(struct cr_tracee *t, struct cr_err *err)
{
	int status, ret = look(t, &status, err), sig;
	pid_t tracer;

	if (ret)
		return ret;
	if (!status) {
		/* A dead leader says nothing while it has unreaped threads. */
		return thread_state(t->tid, &tracer) == 'Z';
	}
	sig = stop_signal(t, status);
	if (t->crash)
		return 0;
	if (pt(PTRACE_CONT, t->tid, 0, (unsigned long)sig) < 0)
		return failed(t, err, "PTRACE_CONT");
	return 0;
}

int cr_tracee_settle(struct cr_tracee *t, struct cr_err *err)
{
	int ret;

	if (t->state == CR_TRACEE_STOPPED)
		return 0;
	if (cr_tracee_interrupt(t, err) < 0)
		return -1;
	if (t->state == CR_TRACEE_IN_CALL && cr_tracee_cont(t, err) < 0)
		return -1;
	ret = cr_tracee_wait_stop(t, cr_now_ns() + CR_TRACE_PATIENCE_NS, err);
	if (ret == 2)
		return cr_tracee_late(t, err);
	return ret > 0 ? ended(t, err) : ret;
}

int cr_tracee_exitkill(struct cr_tracee *t, bool on, struct cr_err *err)
{
	unsigned long options = PTRACE_O_TRACESYSGOOD | (on ? PTRACE_O_EXITKILL : 0) |
				(t->suspended ? PTRACE_O_SUSPEND_SECCOMP : 0);

	if (pt(PTRACE_SETOPTIONS, t->tid, 0, options) < 0)
		return failed(t, err, "PTRACE_SETOPTIONS");
	return 0;
}

int cr_tracee_restore(struct cr_tracee *t, struct cr_err *err)
{
	if (!t->changed || t->leaves)
		return 0;
	if (cr_tracee_settle(t, err) < 0 || cr_tracee_set_mask(t, t->sigmask, err) < 0 ||
	    cr_tracee_set_regs(t, &t->regs, err) < 0)
		return -1;
	t->changed = false;
	return 0;
}

void cr_tracee_detach(struct cr_tracee *t)
{
	if (t->state == CR_TRACEE_GONE || t->state == CR_TRACEE_RUNNING)
		return;
	pt(PTRACE_DETACH, t->tid, 0, 0);
	t->state = CR_TRACEE_GONE;
}

bool cr_tracee_in_vfork(const struct cr_tracee *t)
{
	cr_auto_free char *text = NULL;
	struct cr_err ignored;
	char name[48];
	long nr;

	snprintf(name, sizeof(name), "task/%d/syscall", (int)t->tid);
	if (cr_proc_read(t->pid, name, &text, NULL, &ignored) < 0 || sscanf(text, "%ld", &nr) != 1)
		return false;
	return cr_arch_may_vfork(nr);
}

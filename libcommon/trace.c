/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch.h"
#include "proc.h"

#define EVENT(status) ((status) >> 16)
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define SIGSET_BYTES 8

/* glibc declares ptrace() with an enum; system calls are what we mean. */
static long pt(long req, pid_t tid, unsigned long addr, unsigned long data)
{
	return syscall(SYS_ptrace, req, (long)tid, addr, data);
}

static int gone(struct cr_tracee *t, struct cr_err *err)
{
	t->state = CR_TRACEE_GONE;
	return cr_err_set(err, CR_SYSTEM, "pid %d: thread %d ended while it was frozen",
			  (int)t->pid, (int)t->tid);
}

static int failed(struct cr_tracee *t, struct cr_err *err, const char *what)
{
	if (errno == ESRCH)
		return gone(t, err);
	return cr_err_sys(err, "pid %d: thread %d: %s", (int)t->pid, (int)t->tid, what);
}

static int seize_refused(pid_t pid, pid_t tid, struct cr_err *err)
{
	int saved = errno;
	char *status = NULL;
	const char *tracer, *state;
	struct cr_err ignored;
	int ret = -1;

	if (cr_proc_read(tid, "status", &status, NULL, &ignored) < 0)
		return 1;
	state = cr_proc_field(status, "State");
	tracer = cr_proc_field(status, "TracerPid");
	if (state && (*state == 'Z' || *state == 'X'))
		ret = 1;
	else if (tracer && *tracer != '0')
		cr_err_set(err, CR_REFUSED,
			   "pid %d: thread %d: already traced by pid %.*s; detach it", (int)pid,
			   (int)tid, (int)strcspn(tracer, "\n"), tracer);
	else
		cr_err_set(err, saved == EPERM ? CR_REFUSED : CR_SYSTEM,
			   "pid %d: thread %d: unable to trace it: %s", (int)pid, (int)tid,
			   strerror(saved));
	free(status);
	return ret;
}

int cr_tracee_seize(struct cr_tracee *t, pid_t pid, pid_t tid, struct cr_err *err)
{
	memset(t, 0, sizeof(*t));
	t->pid = pid;
	t->tid = tid;
	t->state = CR_TRACEE_GONE;
	/* Without TRACESYSGOOD a tracer that dies during a system call stop
	 * leaves a SIGTRAP behind that kills the tracee. */
	if (pt(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD) < 0) {
		if (errno == ESRCH)
			return 1;
		return seize_refused(pid, tid, err);
	}
	t->state = CR_TRACEE_RUNNING;
	return cr_tracee_interrupt(t, err);
}

int cr_tracee_interrupt(struct cr_tracee *t, struct cr_err *err)
{
	if (pt(PTRACE_INTERRUPT, t->tid, 0, 0) < 0 && errno != ESRCH)
		return failed(t, err, "PTRACE_INTERRUPT");
	return 0;
}

/* Next stop of the tracee: 0 and *status, 1 it ended, -1 error. */
static int next_stop(struct cr_tracee *t, int flags, int *status, struct cr_err *err)
{
	pid_t got = waitpid(t->tid, status, __WALL | flags);

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

static int is_stop_signal(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

int cr_tracee_wait_stop(struct cr_tracee *t, struct cr_err *err)
{
	int status, ret, sig;

	for (;;) {
		ret = next_stop(t, 0, &status, err);
		if (ret)
			return ret;
		sig = WSTOPSIG(status);
		if (EVENT(status) == PTRACE_EVENT_STOP) {
			t->state = CR_TRACEE_STOPPED;
			if (is_stop_signal(sig) && !t->changed)
				t->stop_signal = sig;
			return 0;
		}
		/*
		 * Any other stop came first; the one asked for follows.  A
		 * signal is delivered as it would have been, unless the thread
		 * runs our code, when it is held back.
		 */
		if (EVENT(status) || sig == SYSCALL_STOP)
			sig = 0;
		else if (t->changed) {
			t->held |= 1ull << (sig - 1);
			sig = 0;
		}
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

/* Run to the next system call stop. */
static int to_syscall_stop(struct cr_tracee *t, struct cr_err *err)
{
	int status, ret;

	for (;;) {
		if (pt(PTRACE_SYSCALL, t->tid, 0, 0) < 0)
			return failed(t, err, "PTRACE_SYSCALL");
		do
			ret = next_stop(t, 0, &status, err);
		while (ret < 0 && errno == EINTR);
		if (ret)
			return ret < 0 ? -1 : gone(t, err);
		if (WSTOPSIG(status) == SYSCALL_STOP && !EVENT(status)) {
			t->state = CR_TRACEE_IN_CALL;
			return 0;
		}
		if (!EVENT(status))
			t->held |= 1ull << (WSTOPSIG(status) - 1);
	}
}

int cr_tracee_syscall(struct cr_tracee *t, uint64_t ip, long nr, const uint64_t args[6],
		      long *result, struct cr_err *err)
{
	struct user_regs_struct regs = t->regs;
	struct iovec iov = { &regs, sizeof(regs) };

	cr_arch_call_regs(&regs, ip, nr, args);
	if (cr_tracee_set_regs(t, &regs, err) < 0 || to_syscall_stop(t, err) < 0 ||
	    to_syscall_stop(t, err) < 0)
		return -1;
	if (pt(PTRACE_GETREGSET, t->tid, NT_PRSTATUS, (unsigned long)&iov) < 0)
		return failed(t, err, "PTRACE_GETREGSET");
	*result = cr_arch_result(&regs);
	return 0;
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
	int status, ret = next_stop(t, WNOHANG, &status, err);

	if (ret || !status)
		return ret;
	if (!EVENT(status))
		t->held |= 1ull << (WSTOPSIG(status) - 1);
	return cr_tracee_cont(t, err);
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
	do
		ret = cr_tracee_wait_stop(t, err);
	while (ret < 0 && err->errnum == EINTR);
	return ret > 0 ? gone(t, err) : ret;
}

int cr_tracee_exitkill(struct cr_tracee *t, bool on, struct cr_err *err)
{
	unsigned long options = PTRACE_O_TRACESYSGOOD | (on ? PTRACE_O_EXITKILL : 0);

	if (pt(PTRACE_SETOPTIONS, t->tid, 0, options) < 0)
		return failed(t, err, "PTRACE_SETOPTIONS");
	return 0;
}

int cr_tracee_restore(struct cr_tracee *t, struct cr_err *err)
{
	if (!t->changed)
		return 0;
	if (cr_tracee_settle(t, err) < 0 || cr_tracee_set_mask(t, t->sigmask, err) < 0 ||
	    cr_tracee_set_regs(t, &t->regs, err) < 0)
		return -1;
	t->changed = false;
	return 0;
}

void cr_tracee_detach(struct cr_tracee *t)
{
	if (t->state == CR_TRACEE_GONE)
		return;
	for (int sig = 1; t->held && sig <= 64; sig++)
		if (t->held & 1ull << (sig - 1))
			syscall(SYS_tgkill, t->pid, t->tid, sig);
	t->held = 0;
	pt(PTRACE_DETACH, t->tid, 0, 0);
	t->state = CR_TRACEE_GONE;
}

/* SPDX-License-Identifier: MIT */
/* Tracing of threads whose system calls somebody judges, and of those that
 * somebody else holds. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clean.h"
#include "proc.h"
#include "ptrace-new.h"
#include "trace.h"

#define SELECTOR_ALLOW 0	/* SYSCALL_DISPATCH_FILTER_ALLOW */

int cr_tracee_adopt(struct cr_tracee *t, pid_t pid, pid_t tid, struct cr_err *err)
{
	memset(t, 0, sizeof(*t));
	t->pid = pid;
	t->tid = tid;
	t->state = CR_TRACEE_RUNNING;
	return cr_tracee_interrupt(t, err);
}

int cr_tracee_suspend_seccomp(struct cr_tracee *t, struct cr_err *err)
{
	if (syscall(SYS_ptrace, (long)PTRACE_SETOPTIONS, (long)t->tid, 0l,
		    CR_TRACE_OPTIONS | PTRACE_O_SUSPEND_SECCOMP) < 0)
		return cr_err_sys(err, "pid %d: thread %d: PTRACE_O_SUSPEND_SECCOMP", (int)t->pid,
				  (int)t->tid);
	t->suspended = true;
	return 0;
}

static bool lets_through(const struct cr_tracee *t, uint64_t selector)
{
	uint8_t value;
	struct iovec local = { &value, 1 }, remote = { (void *)selector, 1 };

	return process_vm_readv(t->tid, &local, 1, &remote, 1, 0) == 1 && value == SELECTOR_ALLOW;
}

int cr_tracee_dispatched(struct cr_tracee *t, bool *yes, struct cr_err *err)
{
	struct cr_sud_config c = { 0 };

	/* Fails with EIO before 6.4: then nobody can know. */
	if (syscall(SYS_ptrace, CR_PTRACE_GET_SUD_CONFIG, (long)t->tid, sizeof(c), &c) < 0 &&
	    errno != EIO && errno != EINVAL)
		return errno == ESRCH ?
			       cr_err_set(err, CR_SYSTEM,
					  "pid %d: thread %d ended while it was frozen",
					  (int)t->pid, (int)t->tid) :
			       cr_err_sys(err, "pid %d: thread %d: its syscall user dispatch",
					  (int)t->pid, (int)t->tid);
	/* The thread's own memory switches it: 0 lets its calls through, and
	 * stays while the thread does not run. */
	*yes = c.mode != 0 && (!c.selector || !lets_through(t, c.selector));
	return 0;
}

/* A tracee's own stops have other states (t, T). */
bool cr_tracee_is_held(const struct cr_tracee *t)
{
	static const char *const places[] = { "get_signal", "do_freezer_trap" };
	cr_auto_free char *wchan = NULL;
	struct cr_proc_stat st;
	struct cr_err ignored;
	char name[48];

	snprintf(name, sizeof(name), "task/%d/wchan", (int)t->tid);
	if (cr_proc_stat(t->tid, &st, &ignored) < 0 || st.state != 'S' ||
	    cr_proc_read(t->pid, name, &wchan, NULL, &ignored) < 0)
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (strcmp(wchan, places[i]) == 0)
			return true;
	return false;
}

int cr_tracee_late(const struct cr_tracee *t, struct cr_err *err)
{
	return cr_err_set(err, CR_REFUSED,
			  "pid %d: thread %d: does not run for the tracer: its cgroup is frozen, "
			  "or it waits for a device; thaw its cgroup, or use --freeze-cgroup",
			  (int)t->pid, (int)t->tid);
}

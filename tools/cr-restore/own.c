/* SPDX-License-Identifier: MIT */
#include "own.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "msg.h"
#include "prctl-nr.h"
#include "proc.h"

static int read_files(struct own *own, struct cr_err *err)
{
	cr_auto_free char *oom = NULL, *filter = NULL;
	struct cr_err ignored;

	if (cr_proc_read(getpid(), "oom_score_adj", &oom, NULL, err) < 0)
		return -1;
	own->oom_score_adj = (int)strtol(oom, NULL, 10);
	/* A kernel that dumps no cores has none. */
	if (cr_proc_read(getpid(), "coredump_filter", &filter, NULL, &ignored) == 0)
		own->coredump_filter = (uint32_t)strtoul(filter, NULL, 16);
	return 0;
}

int own_read(struct own *own, struct cr_err *err)
{
	cr_auto_free char *status = NULL;
	const char *ignored;
	int mode = PR_TSC_ENABLE, policy = 0;
	stack_t ss;

	if (cr_proc_read(getpid(), "status", &status, NULL, err) < 0 || read_files(own, err) < 0)
		return -1;
	ignored = cr_proc_field(status, "SigIgn");
	own->ignored = ignored ? strtoull(ignored, NULL, 16) : 0;
	/* Nobody can take it back. */
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) > 0)
		cr_msg("there is a seccomp filter on this program, and on the tree with it");
	own->thp_disable = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) > 0;
	own->memory_merge = prctl(CR_PR_GET_MEMORY_MERGE, 0, 0, 0, 0) > 0;
	own->io_flusher = prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0) > 0;
	own->mce_kill = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) != PR_MCE_KILL_DEFAULT;
	own->no_tsc = prctl(PR_GET_TSC, &mode) == 0 && mode != PR_TSC_ENABLE;
	own->no_cpuid = syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0) == 0;
	own->mempolicy = syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 0) == 0 &&
			 policy != MPOL_DEFAULT;
	/* A sanitizer's. */
	own->altstack = sigaltstack(NULL, &ss) == 0 && !(ss.ss_flags & SS_DISABLE);
	return 0;
}

int own_write(const char *path, const char *text)
{
	cr_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

static int files(const struct own *own, const Cr__Task *t, struct cr_err *err)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", t->oom_score_adj);
	if (own->oom_score_adj != t->oom_score_adj &&
	    own_write("/proc/self/oom_score_adj", text) < 0)
		return cr_err_sys(err, "unable to set its oom_score_adj to %s", text);
	snprintf(text, sizeof(text), "%#x", t->coredump_filter);
	if (own->coredump_filter != t->coredump_filter &&
	    own_write("/proc/self/coredump_filter", text) < 0)
		return cr_err_sys(err, "unable to set its coredump_filter to %s", text);
	return 0;
}

static int settings(const struct own *own, struct cr_err *err)
{
	static const stack_t none = { .ss_flags = SS_DISABLE };

	if (own->thp_disable && prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) < 0)
		return cr_err_sys(err, "PR_SET_THP_DISABLE");
	if (own->memory_merge && prctl(CR_PR_SET_MEMORY_MERGE, 0, 0, 0, 0) < 0)
		return cr_err_sys(err, "PR_SET_MEMORY_MERGE");
	if (own->io_flusher && prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0) < 0)
		return cr_err_sys(err, "PR_SET_IO_FLUSHER");
	if (own->mce_kill && prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0) < 0)
		return cr_err_sys(err, "PR_MCE_KILL");
	if (own->no_tsc && prctl(PR_SET_TSC, PR_TSC_ENABLE) < 0)
		return cr_err_sys(err, "PR_SET_TSC");
	if (own->no_cpuid && syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1) < 0)
		return cr_err_sys(err, "ARCH_SET_CPUID");
	if (own->mempolicy && syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0) < 0)
		return cr_err_sys(err, "set_mempolicy");
	if (own->altstack && sigaltstack(&none, NULL) < 0)
		return cr_err_sys(err, "sigaltstack");
	return 0;
}

int own_by_default(int sig)
{
	static const uint64_t action[4];	/* struct sigaction of the kernel */

	/* The C library keeps some signals from us. */
	return (int)syscall(SYS_rt_sigaction, sig, action, NULL, sizeof(uint64_t));
}

int own_cast_off(const struct own *own, const struct task_image *t, struct cr_err *err)
{
	for (int sig = 1; sig <= 64; sig++)
		if (own->ignored & 1ull << (sig - 1) && own_by_default(sig) < 0)
			return cr_err_sys(err, "signal %d", sig);
	return files(own, t->task, err) < 0 ? -1 : settings(own, err);
}

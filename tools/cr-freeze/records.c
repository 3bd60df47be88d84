/* SPDX-License-Identifier: MIT */
#include "records.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "arch.h"
#include "cgroups.h"
#include "clean.h"
#include "creds.h"
#include "cpu-features.h"
#include "dispatch.h"
#include "held.h"
#include "parse.h"
#include "proc.h"
#include "properties.h"
#include "scheduling.h"
#include "schemas.h"
#include "seccomp.h"
#include "signals.h"
#include "vdso.h"

#define XSTATE_MAX 16384

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static char *boot_id(struct cr_err *err)
{
	char *text;

	/* The pid is only a way to spell /proc/sys for cr_proc_read(). */
	if (cr_proc_read(getpid(), "../sys/kernel/random/boot_id", &text, NULL, err) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

int records_header(struct cr_writer *w, const char *session, pid_t root, bool shell_job,
		   struct cr_err *err)
{
	Cr__Header h = CR__HEADER__INIT;
	cr_auto_free char *flags_text = NULL, *boot = NULL;
	cr_auto_free char **flags = NULL;
	struct cr_vdso vdso;
	struct utsname un;

	if (uname(&un) < 0)
		return cr_err_sys(err, "uname");
	boot = boot_id(err);
	if (!boot || cr_vdso_own(&vdso, err) < 0 ||
	    cr_cpu_features(&h.xfeatures, &flags_text, &flags, &h.n_cpu_flags, err) < 0)
		return -1;
	h.version = CR_STREAM_VERSION;
	h.session = (char *)session;
	h.warden_pid = (uint32_t)getpid();
	h.root_pid = (uint32_t)root;
	h.release = un.release;
	h.machine = un.machine;
	h.page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	h.boot_id = boot;
	h.cpu_flags = flags;
	h.realtime_ns = clock_ns(CLOCK_REALTIME);
	h.monotonic_ns = clock_ns(CLOCK_MONOTONIC);
	h.boottime_ns = clock_ns(CLOCK_BOOTTIME);
	h.vdso_digest.data = (uint8_t *)&vdso.digest;
	h.vdso_digest.len = sizeof(vdso.digest);
	h.shell_job = shell_job;
	return cr_writer_put(w, CR_KIND_HEADER, &h, err);
}

static int not_understood(pid_t pid, const char *what, struct cr_err *err)
{
	return cr_err_set(err, CR_SYSTEM, "/proc/%d/%s: not understood", (int)pid, what);
}

static int parse_limits(pid_t pid, Cr__Rlimit *lims, struct cr_err *err)
{
	cr_auto_free char *text = NULL;
	const char *line;
	char soft[24], hard[24];

	if (cr_proc_read(pid, "limits", &text, NULL, err) < 0)
		return -1;
	line = strchr(text, '\n');	/* the heading */
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		uint64_t *const out[2] = { &lims[i].soft, &lims[i].hard };
		const char *const in[2] = { soft, hard };

		cr__rlimit__init(&lims[i]);
		/* The name takes 26 columns; the lines are in the order of RLIMIT_*. */
		if (!line || strlen(line) < 28 || sscanf(line + 27, "%23s %23s", soft, hard) != 2)
			return not_understood(pid, "limits", err);
		for (int k = 0; k < 2; k++)
			if (strcmp(in[k], "unlimited") == 0)
				*out[k] = RLIM_INFINITY;
			else if (cr_parse_u64(in[k], 10, 0, UINT64_MAX, out[k]) < 0)
				return not_understood(pid, "limits", err);
		line = strchr(line + 1, '\n');
	}
	return 0;
}

static int read_number(pid_t pid, const char *file, int base, long *out, struct cr_err *err)
{
	cr_auto_free char *text = NULL;
	char *end;

	if (cr_proc_read(pid, file, &text, NULL, err) < 0)
		return -1;
	*out = strtol(text, &end, base);
	return end == text ? not_understood(pid, file, err) : 0;
}

/* What /proc/PID/stat has, of zombies as well. */
static void fill_stat(const struct cr_process *p, const struct kin *kin, Cr__Task *m)
{
	const struct cr_proc_stat *st = &kin->st;

	m->pid = (uint32_t)p->pid;
	m->ppid = (uint32_t)st->field[CR_STAT_PPID];
	m->pgid = (uint32_t)st->field[5];
	m->sid = (uint32_t)st->field[6];
	m->tty_nr = (uint32_t)st->field[7];
	m->tpgid = (int32_t)st->field[8];
	m->exit_signal = (uint32_t)st->field[38];
	m->comm = (char *)st->comm;
	m->outer_session = kin->outer_session;
	m->outer_group = kin->outer_group;
	m->vm_same_as = (uint32_t)kin->share.vm;
	m->files_same_as = (uint32_t)kin->share.files;
	m->fs_same_as = (uint32_t)kin->share.fs;
	m->sighand_same_as = (uint32_t)kin->share.sighand;
	if (p->zombie) {
		m->state = CR__TASK_STATE__ZOMBIE;
		m->exit_status = (uint32_t)st->field[CR_STAT_EXIT_CODE];
	} else if (p->dead_leader) {
		m->dead_leader = true;
		m->exit_status = (uint32_t)st->field[CR_STAT_EXIT_CODE];
	}
	if (!p->zombie && p->threads[0].stop_signal) {
		m->state = CR__TASK_STATE__STOPPED;
		m->stop_signal = (uint32_t)p->threads[0].stop_signal;
	}
}

static int fill_live(const struct cr_process *p, const char *status, Cr__Task *m, Cr__Rlimit *lims,
		     struct cr_err *err)
{
	const char *mask = cr_proc_field(status, "Umask");
	long v;

	if (!mask)
		return not_understood(p->pid, "status", err);
	m->umask = (uint32_t)strtoul(mask, NULL, 8);
	if (read_number(p->pid, "personality", 16, &v, err) < 0)
		return -1;
	m->personality = (uint32_t)v;
	if (read_number(p->pid, "oom_score_adj", 10, &v, err) < 0)
		return -1;
	m->oom_score_adj = (int32_t)v;
	if (properties_fill(cr_process_eye(p), m, err) < 0)
		return -1;
	return parse_limits(p->pid, lims, err);
}

/* Those of a thread that has ended, which who signals the process must match. */
static int leader_creds(const struct cr_process *p, Cr__Creds *creds, struct cr_err *err)
{
	cr_auto_free char *status = NULL;

	if (cr_proc_read(p->pid, "status", &status, NULL, err) < 0)
		return -1;
	return cr_creds_parse(p->pid, status, creds, err);
}

static int put_task(struct cr_writer *w, struct cr_process *p, const struct kin *kin,
		    const char *status, uint64_t frozen_ns, uint32_t *in, struct cr_err *err)
{
	Cr__Task m = CR__TASK__INIT;
	struct signals sigs = { 0 };
	Cr__Rlimit lims[RLIM_NLIMITS], *limits[RLIM_NLIMITS];
	cr_auto_free uint32_t *tids = calloc(p->n_threads + 1, sizeof(*tids));
	Cr__Creds creds = CR__CREDS__INIT;
	int ret = -1;

	if (!tids)
		return cr_err_sys(err, "out of memory");
	fill_stat(p, kin, &m);
	m.frozen_ns = frozen_ns;
	if (fill_live(p, status, &m, lims, err) < 0 ||
	    cgroups_of(w, cr_process_eye(p), &m.cgroups, err) < 0)
		return -1;
	*in = m.cgroups;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		limits[i] = &lims[i];
	m.n_rlimits = RLIM_NLIMITS;
	m.rlimits = limits;
	for (unsigned int k = 0; k < p->n_threads; k++)
		tids[k] = (uint32_t)p->threads[k].tid;
	m.n_tids = p->n_threads;
	m.tids = tids;
	if (p->dead_leader && leader_creds(p, &creds, err) < 0)
		goto out;
	if (p->dead_leader)
		m.zombie_creds = &creds;
	if (signals_pending(status, "ShdPnd") &&
	    signals_peek(&p->threads[0], true, 0, SIZE_MAX, &sigs, err) < 0)
		goto out;
	p->signals_known = (uint32_t)sigs.count;
	m.shared_signals = sigs.list;
	m.n_shared_signals = sigs.count;
	ret = cr_writer_put(w, CR_KIND_TASK, &m, err);
out:
	signals_free(&sigs);
	cr_creds_release(&creds);
	return ret;
}

static int get_xstate(pid_t tid, uint8_t *buf, size_t *len, struct cr_err *err)
{
	struct iovec iov = { buf, XSTATE_MAX };

	if (syscall(SYS_ptrace, (long)PTRACE_GETREGSET, (long)tid, (long)NT_X86_XSTATE, &iov) < 0)
		return cr_err_sys(err, "thread %d: unable to read its XSAVE state", (int)tid);
	*len = iov.iov_len;
	return 0;
}

static int fill_thread(const struct cr_tracee *t, Cr__Thread *m, struct cr_err *err)
{
	uint64_t head = 0;
	size_t len = 0;

	m->pid = (uint32_t)t->pid;
	m->tid = (uint32_t)t->tid;
	m->sigmask = t->sigmask;
	m->rseq = t->rseq.rseq_abi_pointer;
	m->rseq_len = t->rseq.rseq_abi_size;
	m->rseq_flags = t->rseq.flags;
	m->rseq_sig = t->rseq.signature;
	if (syscall(SYS_get_robust_list, t->tid, &head, &len) < 0)
		return cr_err_sys(err, "thread %d: get_robust_list", (int)t->tid);
	m->robust_list = head;
	m->robust_list_len = len;
	return held_fill(t, m, err);
}

/* As status has it: a newline and a backslash are escaped. */
static void copy_name(const char *name, char *out, size_t size)
{
	size_t n = 0;

	for (; *name && *name != '\n' && n < size - 1; name++) {
		bool escaped = name[0] == '\\' && (name[1] == 'n' || name[1] == '\\');

		if (escaped)
			name++;
		out[n++] = (char)(escaped && *name == 'n' ? '\n' : *name);
	}
	out[n] = '\0';
}

/* Its process is @in; 0: so is it. */
static int cgroups_fill(struct cr_writer *w, const struct cr_tracee *t, uint32_t in, Cr__Thread *m,
			struct cr_err *err)
{
	if (!in)
		return 0;
	if (cgroups_of(w, t->tid, &m->cgroups, err) < 0)
		return -1;
	if (m->cgroups == in)
		m->cgroups = 0;
	return 0;
}

static int put_thread(struct cr_writer *w, struct cr_tracee *t, const char *status,
		      const struct sleepers *sl, uint64_t frozen_ns, uint32_t in,
		      struct cr_err *err)
{
	Cr__Thread m = CR__THREAD__INIT;
	Cr__Creds creds = CR__CREDS__INIT;
	Cr__UserDispatch dispatch;
	struct user_regs_struct regs = t->regs;
	uint8_t xstate[XSTATE_MAX];
	struct signals sigs = { 0 };
	char comm[64] = "";
	const char *name = cr_proc_field(status, "Name");
	uint64_t remaining;
	long nr;
	int ret = -1;

	if (name)
		copy_name(name, comm, sizeof(comm));
	m.comm = comm;
	if (sleepers_remaining(sl, t, frozen_ns, &nr, &remaining)) {
		cr_arch_set_syscall_nr(&regs, nr);
		m.has_remaining = true;
		m.remaining_ns = remaining;
	}
	m.regs.data = (uint8_t *)&regs;
	m.regs.len = sizeof(regs);
	m.xstate.data = xstate;
	m.creds = &creds;
	if (fill_thread(t, &m, err) < 0 || cgroups_fill(w, t, in, &m, err) < 0 ||
	    get_xstate(t->tid, xstate, &m.xstate.len, err) < 0 ||
	    cr_creds_parse(t->tid, status, &creds, err) < 0 ||
	    scheduling_fill(t->tid, status, &m, err) < 0 ||
	    dispatch_fill(t->tid, &m, &dispatch, err) < 0 ||
	    seccomp_fill(w, t, status, &m, err) < 0)
		goto out;
	if (signals_pending(status, "SigPnd") &&
	    signals_peek(t, false, 0, SIZE_MAX, &sigs, err) < 0)
		goto out;
	t->signals_known = (uint32_t)sigs.count;
	m.signals = sigs.list;
	m.n_signals = sigs.count;
	ret = cr_writer_put(w, CR_KIND_THREAD, &m, err);
out:
	signals_free(&sigs);
	scheduling_release(&m);
	held_release(&m);
	free(m.seccomp_filters);
	cr_creds_release(&creds);
	return ret;
}

static int put_zombie(struct cr_writer *w, const struct cr_process *p, const struct kin *kin,
		      struct cr_err *err)
{
	Cr__Creds creds = CR__CREDS__INIT;
	Cr__Task m = CR__TASK__INIT;
	int ret = -1;

	fill_stat(p, kin, &m);
	m.zombie_creds = &creds;
	if (leader_creds(p, &creds, err) == 0)
		ret = cr_writer_put(w, CR_KIND_TASK, &m, err);
	cr_creds_release(&creds);
	return ret;
}

static int put_process(struct cr_writer *w, const struct cr_tree *tree, struct cr_process *p,
		       const struct kin *kin, const struct sleepers *sl, struct cr_err *err)
{
	uint32_t in = 0;

	if (p->zombie)
		return put_zombie(w, p, kin, err);
	for (unsigned int k = 0; k < p->n_threads; k++) {
		struct cr_tracee *t = &p->threads[k];
		const char *status = cr_tracee_status(t, err);

		if (!status)
			return -1;
		/* Its first thread knows what is the process's. */
		if (k == 0 && put_task(w, p, kin, status, tree->frozen_ns, &in, err) < 0)
			return -1;
		if (put_thread(w, t, status, sl, tree->began_ns, k ? in : 0, err) < 0)
			return -1;
		if (k == 0 && !cgroups_may_differ(p, in))
			in = 0;
		/* Some thousands would be megabytes; the agent's host is asked again. */
		if (k > 0)
			cr_tracee_forget_status(t);
	}
	return 0;
}

int records_first(struct cr_writer *w, const struct cr_tree *tree, struct cr_err *err)
{
	uint32_t id;

	if (cgroups_of(w, cr_process_eye(tree->procs[0]), &id, err) < 0)
		return -1;
	return cr_writer_flush(w, err);
}

int records_tree(struct cr_writer *w, const struct cr_tree *tree, const struct kin *kin,
		 const struct sleepers *sl, struct cr_err *err)
{
	for (unsigned int i = 0; i < tree->count; i++)
		if (put_process(w, tree, tree->procs[i], &kin[i], sl, err) < 0)
			return cr_err_wrap(err, "pid %d", (int)tree->procs[i]->pid);
	return 0;
}

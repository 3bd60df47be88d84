/* SPDX-License-Identifier: MIT */
#include "special.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "msg.h"
#include "own.h"
#include "parse.h"
#include "prctl-nr.h"
#include "proc.h"
#include "ptrace-new.h"

#define FUTEX_SLOTS_MIN 16		/* that the kernel gives by itself */
#define ARCH_REQ_XCOMP_PERM_NR 0x1023	/* 5.16 */
#define ARCH_GET_XCOMP_PERM_NR 0x1022
#define XFEATURE_TILE_DATA 18
#define CAP_SYS_RESOURCE_NR 24
#define DUMPABLE_ROOT 2

static int read_number(const char *file, unsigned int *out)
{
	cr_auto_free char *text = NULL;
	struct cr_err ignored;

	if (cr_proc_read(getpid(), file, &text, NULL, &ignored) < 0)
		return -1;
	return sscanf(text, "%u", out) == 1 ? 0 : -1;
}

/* Our own, which what we make inherits. */
static const char *own_label(void)
{
	static char label[1024];
	static bool known;
	cr_auto_free char *text = NULL;
	struct cr_err ignored;

	if (!known && cr_proc_read(getpid(), "attr/current", &text, NULL, &ignored) == 0)
		snprintf(label, sizeof(label), "%.*s", (int)strcspn(text, "\n"), text);
	known = true;
	return label;
}

int special_check(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	unsigned int suid_dumpable = 0;

	(void)err;
	if (strcmp(t->task->lsm_label, own_label()) != 0)
		refuse(r, t->task->pid, "",
		       "its security label is '%s', that of cr-restore '%s'; restore it under "
		       "its own (runcon, aa-exec)",
		       t->task->lsm_label, own_label());
	if (t->inside->dumpable == DUMPABLE_ROOT &&
	    (read_number("../sys/fs/suid_dumpable", &suid_dumpable) < 0 ||
	     suid_dumpable != DUMPABLE_ROOT))
		refuse(r, t->task->pid, "",
		       "its dumpable attribute is 2, which the kernel gives only while "
		       "/proc/sys/fs/suid_dumpable is 2");
	for (unsigned int n = 0; n < t->n_threads; n++)
		if (t->threads[n].inside->io_flusher &&
		    prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE_NR) != 1)
			refuse(r, t->task->pid, "",
			       "thread %u is an I/O flusher, which needs CAP_SYS_RESOURCE",
			       t->threads[n].thread->tid);
	return 0;
}

int special_write(const struct task_image *t, struct cr_err *err)
{
	uint64_t permitted = 0, want = t->inside->xstate_permitted;
	unsigned int own;
	char text[16];

	if (want & 1ull << XFEATURE_TILE_DATA &&
	    syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM_NR, &permitted) == 0 &&
	    !(permitted & 1ull << XFEATURE_TILE_DATA) &&
	    syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM_NR, XFEATURE_TILE_DATA) < 0 &&
	    errno != EOPNOTSUPP)	/* which --cpu-cap has let pass */
		return cr_err_sys(err, "unable to get the right to AMX tiles");
	if (read_number("loginuid", &own) < 0 || own + 1 == t->task->login_uid_plus_1)
		return 0;
	snprintf(text, sizeof(text), "%u", t->task->login_uid_plus_1 - 1);
	/* An audit policy may forbid it; that is no reason not to go on. */
	if (own_write("/proc/self/loginuid", text) < 0)
		cr_msg("pid %u: its audit login uid %s cannot be set: %s", t->task->pid, text,
		       strerror(errno));
	return 0;
}

/*
 * The kernel gives the first thread of a process, and every other one after
 * it, a table of futexes of four slots a thread, up to the number of
 * processors.  All else was asked for; it has to do with time only.
 */
static void futex_slots(const struct task_image *t, struct vec *v)
{
	uint32_t slots = t->inside->futex_slots_plus_1 - 1;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	bool own;

	if (!t->inside->futex_slots_plus_1)
		return;
	if (slots)
		own = slots < FUTEX_SLOTS_MIN || (long)slots >= 8 * cpus + FUTEX_SLOTS_MIN;
	else
		own = t->n_threads > 1;
	if (own)
		vec_try(v, LABEL_PRCTL, SYS_prctl, CR_PR_FUTEX_HASH, CR_PR_FUTEX_HASH_SET_SLOTS,
			slots);
}

void special_process(const struct task_image *t, struct vec *v)
{
	const Cr__Inside *in = t->inside;

	if (in->child_subreaper)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_CHILD_SUBREAPER, 1);
	/* All else is of the memory. */
	if (t->share_vm)
		return;
	if (in->lock_future)
		vec_sys(v, LABEL_LOCK, SYS_mlockall, in->lock_future);
	/* Above the first bit stand the flags (6.18). */
	if (in->thp_disable)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_THP_DISABLE, 1, in->thp_disable & ~1u);
	if (in->memory_merge)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, CR_PR_SET_MEMORY_MERGE, 1);
	for (uint32_t bit = 0; bit < 32; bit++)
		if (in->membarrier & 1u << bit)
			vec_sys(v, LABEL_PRCTL, SYS_membarrier, 1u << bit, 0, 0);
	futex_slots(t, v);
	if (in->mdwe)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, CR_PR_SET_MDWE, in->mdwe);
}

static void speculation(struct vec *v, int64_t which, uint32_t want)
{
	int own = prctl(PR_GET_SPECULATION_CTRL, which, 0, 0, 0);

	if (want & PR_SPEC_PRCTL && own >= 0 && want != (uint32_t)own)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_SPECULATION_CTRL, which,
			want & ~(uint32_t)PR_SPEC_PRCTL);
}

static uint64_t *nodes_of(const Cr__MemPolicy *p, struct arena *a, struct cr_err *err)
{
	uint64_t *nodes = arena_alloc(a, p->nodes.len + sizeof(*nodes), err);

	if (nodes && p->nodes.len)
		memcpy(nodes, p->nodes.data, p->nodes.len);
	return nodes;
}

int special_memory(const struct task_image *t, struct vec *v, struct arena *a, struct cr_err *err)
{
	for (size_t i = 0; i < t->inside->n_policies; i++) {
		const Cr__VmaPolicy *m = t->inside->policies[i];
		uint64_t *nodes;

		if (!m->policy)
			continue;
		nodes = nodes_of(m->policy, a, err);
		if (!nodes)
			return -1;
		/* The kernel counts from one above. */
		vec_sys(v, LABEL_MM, SYS_mbind, (int64_t)m->address, (int64_t)m->length,
			m->policy->mode, P(nodes), (int64_t)m->policy->nodes.len * 8 + 1, 0);
	}
	return 0;
}

static int mempolicy(const Cr__MemPolicy *p, struct vec *v, struct arena *a, struct cr_err *err)
{
	uint64_t *nodes = nodes_of(p, a, err);

	if (!nodes)
		return -1;
	vec_sys(v, LABEL_PRCTL, SYS_set_mempolicy, p->mode, P(nodes),
		(int64_t)p->nodes.len * 8 + 1);
	return 0;
}

int special_thread(const struct task_image *t, unsigned int n, struct vec *v, struct arena *a,
		   struct cr_err *err)
{
	const Cr__ThreadInside *in = t->threads[n].inside;

	if (in->timer_slack_ns)
		vec_try(v, LABEL_PRCTL, SYS_prctl, PR_SET_TIMERSLACK, (int64_t)in->timer_slack_ns);
	if (in->no_tsc)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV);
	if (in->no_cpuid)
		vec_sys(v, LABEL_PRCTL, SYS_arch_prctl, ARCH_SET_CPUID, 0);
	if (in->request_keyring)
		vec_sys(v, LABEL_PRCTL, SYS_keyctl, KEYCTL_SET_REQKEY_KEYRING, in->request_keyring);
	if (in->mce_kill != PR_MCE_KILL_DEFAULT)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_MCE_KILL, PR_MCE_KILL_SET, in->mce_kill);
	if (in->io_flusher)
		vec_sys(v, LABEL_PRCTL, SYS_prctl, PR_SET_IO_FLUSHER, 1);
	speculation(v, PR_SPEC_STORE_BYPASS, in->spec_store_bypass);
	speculation(v, PR_SPEC_INDIRECT_BRANCH, in->spec_indirect_branch);
	speculation(v, PR_SPEC_L1D_FLUSH, in->spec_l1d_flush);
	/* Any change of credentials gives the mode of the sysctl. */
	if (n == 0 && t->inside->dumpable == DUMPABLE_ROOT) {
		vec_try(v, LABEL_PRCTL, SYS_setfsuid, 1);
		vec_try(v, LABEL_PRCTL, SYS_setfsuid, 0);
	}
	return in->mempolicy ? mempolicy(in->mempolicy, v, a, err) : 0;
}

int special_traced(const struct task_image *t, unsigned int n, pid_t tid, struct cr_err *err)
{
	const Cr__UserDispatch *d = t->threads[n].thread->user_dispatch;
	struct cr_sud_config c;

	if (!d)
		return 0;
	c = (struct cr_sud_config){ d->mode, d->selector, d->offset, d->length };
	if (syscall(SYS_ptrace, CR_PTRACE_SET_SUD_CONFIG, (long)tid, sizeof(c), &c) < 0)
		return cr_err_sys(err, "thread %d: unable to set its syscall user dispatch",
				  (int)tid);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stddef.h>
#include <string.h>
#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch.h"
#include "landlock.h"
#include "pagemap.h"
#include "prctl-nr.h"
#include "syscalls.h"

#define SIGSET_BYTES 8
#define SIGNALS 64

#define MEMBARRIER_GET_REGISTRATIONS (1 << 9)	/* 6.3 */
#define ARCH_GET_XCOMP_PERM_NR 0x1022	/* 5.16 */

static struct cr_op *add(struct ask *a, enum cr_op_expect expect, long nr, uint64_t a0)
{
	struct cr_op *op = &a->ops[a->count++];

	*op = (struct cr_op){
		.type = CR_OP_SYSCALL,
		.expect = (uint8_t)expect,
		.nr = (int32_t)nr,
		.arg = { (int64_t)a0 },
	};
	return op;
}

/* One that writes its answer: argument @arg is its offset in the data. */
static struct cr_op *add_to(struct ask *a, long nr, uint64_t a0, unsigned int arg, size_t offset)
{
	struct cr_op *op = add(a, CR_EXPECT_OK, nr, a0);

	op->arg[arg] = (int64_t)offset;
	op->in_data = 1u << arg;
	return op;
}

/* One whose answer is its result. */
static struct cr_op *add_result(struct ask *a, long nr, uint64_t a0, size_t offset)
{
	struct cr_op *op = add(a, CR_EXPECT_ANY, nr, a0);

	op->result_at = (uint32_t)offset + 1;
	return op;
}

#define THREAD(field) offsetof(struct ask_thread_data, field)
#define PROCESS(field) offsetof(struct ask_process_data, field)

/* The data of a thread begins with the answers to these. */
static void add_thread(struct ask *a, pid_t pid, bool filtered)
{
	struct cr_op *op;

	add_to(a, SYS_sigaltstack, 0, 1, THREAD(altstack));
	add_to(a, SYS_prctl, PR_GET_TID_ADDRESS, 1, THREAD(clear_child_tid));
	add_to(a, SYS_prctl, PR_GET_PDEATHSIG, 1, THREAD(parent_death_signal));
	add_to(a, SYS_prctl, PR_GET_TSC, 1, THREAD(tsc));
	op = add_to(a, SYS_get_mempolicy, 0, 0, THREAD(mempolicy));
	op->expect = CR_EXPECT_ANY;	/* kernels without NUMA */
	op->arg[1] = THREAD(nodes);
	op->arg[2] = ASK_NODES + 1;	/* it subtracts one */
	op->in_data = 3;
	add_result(a, SYS_prctl, PR_GET_SECUREBITS, THREAD(securebits));
	add_result(a, SYS_arch_prctl, ARCH_GET_CPUID, THREAD(cpuid));
	add_result(a, SYS_prctl, PR_MCE_KILL_GET, THREAD(mce_kill));
	add_result(a, SYS_prctl, PR_GET_IO_FLUSHER, THREAD(io_flusher));
	add_result(a, SYS_prctl, PR_GET_TIMERSLACK, THREAD(timer_slack));
	op = add_result(a, SYS_prctl, PR_GET_SPECULATION_CTRL, THREAD(spec_store_bypass));
	op->arg[1] = PR_SPEC_STORE_BYPASS;
	op = add_result(a, SYS_prctl, PR_GET_SPECULATION_CTRL, THREAD(spec_indirect_branch));
	op->arg[1] = PR_SPEC_INDIRECT_BRANCH;
	op = add_result(a, SYS_prctl, PR_GET_SPECULATION_CTRL, THREAD(spec_l1d_flush));
	op->arg[1] = PR_SPEC_L1D_FLUSH;
	op = add_result(a, SYS_kcmp, (uint64_t)pid, THREAD(sees_us));
	op->arg[1] = getpid();
	op->arg[2] = LANDLOCK_KCMP_VM;
	op = add_to(a, SYS_prctl, PR_SCHED_CORE, 4, THREAD(core_cookie));
	/* PR_SCHED_CORE_GET is 0, as is one thread. */
	op->expect = CR_EXPECT_ANY;	/* without CONFIG_SCHED_CORE, without SMT */
	if (filtered)
		return;
	add_result(a, SYS_keyctl, KEYCTL_GET_KEYRING_ID, THREAD(keyring))->arg[1] =
		KEY_SPEC_THREAD_KEYRING;
	add_result(a, SYS_keyctl, KEYCTL_SET_REQKEY_KEYRING, THREAD(request_keyring))->arg[1] =
		KEY_REQKEY_DEFL_NO_CHANGE;
	op = add_result(a, SYS_request_key, THREAD(keyring_type), THREAD(session));
	op->arg[1] = THREAD(session_name);
	op->in_data = 3;
}

void ask_build_thread(struct ask *a, pid_t pid, bool filtered)
{
	a->count = 0;
	add_thread(a, pid, filtered);
}

/*
 * Which protection keys are given out?  One that is not is refused before the
 * kernel looks for the memory, which nobody can have there.
 */
static void add_keys(struct ask *a)
{
	struct cr_op *op;

	if (!cr_arch_has_pkeys())
		return;
	for (unsigned int key = 1; key < ASK_PKEYS; key++) {
		op = add_result(a, SYS_pkey_mprotect, (uint64_t)-2 * CR_PAGE,
				PROCESS(pkeys) + (key - 1) * sizeof(int64_t));
		op->arg[1] = CR_PAGE;
		op->arg[2] = PROT_NONE;
		op->arg[3] = key;
	}
}

/* ENOMEM: it passed the first test.  Of none an answer: 0. */
static uint32_t keys_given(const struct ask_process_data *d)
{
	uint32_t given = d->pkeys[0] < 0 ? 1 : 0;

	for (unsigned int key = 1; key < ASK_PKEYS; key++)
		if (d->pkeys[key - 1] == -ENOMEM)
			given |= 1u << key;
	return given;
}

static void add_less_common(struct ask *a)
{
	struct cr_op *op;

	add_result(a, SYS_keyctl, KEYCTL_GET_KEYRING_ID, PROCESS(keyring))->arg[1] =
		KEY_SPEC_PROCESS_KEYRING;
	op = add_result(a, SYS_modify_ldt, 0, PROCESS(ldt_size));
	op->arg[1] = PROCESS(ldt);
	op->arg[2] = sizeof(((struct ask_process_data *)NULL)->ldt);
	op->in_data = 2;
	add_keys(a);
	/* Of the agent's own mapping, which is as all new ones are. */
	op = add_result(a, SYS_msync, 0, PROCESS(locked));
	op->arg[1] = 1;
	op->arg[2] = MS_INVALIDATE;
	op->in_data = 1;
}

void ask_build_process(struct ask *a, pid_t pid, bool filtered)
{
	struct cr_op *op;

	_Static_assert(offsetof(struct ask_process_data, thread) == 0, "see add_thread()");
	a->count = 0;
	add_thread(a, pid, filtered);
	if (!filtered)
		add_less_common(a);
	for (uint64_t sig = 1; sig <= SIGNALS; sig++) {
		size_t at = offsetof(struct ask_process_data, actions) +
			    (sig - 1) * sizeof(struct ask_sigaction);

		add_to(a, SYS_rt_sigaction, sig, 2, at)->arg[3] = SIGSET_BYTES;
	}
	for (uint64_t which = ITIMER_REAL; which <= ITIMER_PROF; which++)
		add_to(a, SYS_getitimer, which, 1,
		       offsetof(struct ask_process_data, itimers) + which * 32);
	add_to(a, SYS_rt_sigpending, 0, 0, PROCESS(pending))->arg[1] = SIGSET_BYTES;
	add_to(a, SYS_prctl, PR_GET_CHILD_SUBREAPER, 1, PROCESS(child_subreaper));
	add_to(a, SYS_arch_prctl, ARCH_GET_XCOMP_PERM_NR, 1, PROCESS(xstate_permitted))->expect =
		CR_EXPECT_ANY;
	add_result(a, SYS_brk, 0, PROCESS(brk));
	add_result(a, SYS_prctl, PR_GET_DUMPABLE, PROCESS(dumpable));
	add_result(a, SYS_prctl, PR_GET_THP_DISABLE, PROCESS(thp_disable));
	add_result(a, SYS_prctl, CR_PR_GET_MDWE, PROCESS(mdwe));
	add_result(a, SYS_prctl, CR_PR_GET_MEMORY_MERGE, PROCESS(memory_merge));
	add_result(a, SYS_prctl, CR_PR_TIMER_IDS, PROCESS(timer_restore_ids))->arg[1] =
		CR_PR_TIMER_IDS_GET;
	add_result(a, SYS_prctl, CR_PR_FUTEX_HASH, PROCESS(futex_slots))->arg[1] =
		CR_PR_FUTEX_HASH_GET_SLOTS;
	op = add_to(a, SYS_waitid, P_ALL, 2, PROCESS(child_news));
	op->arg[3] = NEWS_OPTIONS | WSTOPPED | WCONTINUED;
	op->expect = CR_EXPECT_ANY;	/* without children */
	add_result(a, SYS_membarrier, MEMBARRIER_GET_REGISTRATIONS, PROCESS(membarrier));
}

int ask_check(const struct ask *a, uint32_t done, pid_t pid, struct cr_err *err)
{
	const struct cr_op *op = &a->ops[done];
	const char *name;

	if (done >= a->count)
		return 0;
	name = syscall_name(op->nr);
	return cr_err_set(err, CR_REFUSED, "pid %d: %s inside of it: %s", (int)pid,
			  name ? name : "a system call", strerror((int)-op->result));
}

static uint32_t positive(int64_t v)
{
	return v > 0 ? (uint32_t)v : 0;
}

static size_t fill_actions(const struct ask_process_data *d, Cr__SigAction *list,
			   Cr__SigAction **ptrs)
{
	size_t n = 0;

	for (uint32_t i = 0; i < SIGNALS; i++) {
		const struct ask_sigaction *sa = &d->actions[i];

		if (!sa->handler && !sa->flags && !sa->mask)
			continue;
		cr__sig_action__init(&list[n]);
		list[n].signal = i + 1;
		list[n].handler = sa->handler;
		list[n].sa_flags = sa->flags;
		list[n].restorer = sa->restorer;
		list[n].mask = sa->mask;
		ptrs[n] = &list[n];
		n++;
	}
	return n;
}

int ask_put_inside(struct cr_stage *st, pid_t pid, const struct ask_process_data *d,
		   uint32_t lock_future, const struct timers *t, const struct news *news,
		   const struct policies *policies, Cr__SessionKeyring *session, struct cr_err *err)
{
	Cr__Inside m = CR__INSIDE__INIT;
	Cr__SigAction actions[SIGNALS], *action_ptrs[SIGNALS];
	Cr__ITimer itimers[3], *itimer_ptrs[3];

	for (int i = 0; i < 3; i++) {
		timers_fill_itimer(t, i, d->itimers[i], &itimers[i]);
		itimer_ptrs[i] = &itimers[i];
	}
	m.pid = (uint32_t)pid;
	m.n_actions = fill_actions(d, actions, action_ptrs);
	m.actions = action_ptrs;
	m.brk = (uint64_t)d->brk;
	m.dumpable = positive(d->dumpable);
	m.securebits = positive(d->thread.securebits);
	m.child_subreaper = d->child_subreaper;
	m.n_itimers = 3;
	m.itimers = itimer_ptrs;
	m.thp_disable = positive(d->thp_disable);
	m.mdwe = positive(d->mdwe);
	m.membarrier = positive(d->membarrier);
	m.timer_restore_ids = d->timer_restore_ids > 0;
	m.futex_slots_plus_1 = d->futex_slots < 0 ? 0 : (uint32_t)d->futex_slots + 1;
	m.pkeys = keys_given(d);
	m.memory_merge = positive(d->memory_merge);
	m.xstate_permitted = d->xstate_permitted;
	m.lock_future = lock_future;
	m.session_keyring = session;
	m.n_timers = t->count;
	m.timers = t->list;
	m.n_untold_stopped = news->n_stopped;
	m.untold_stopped = news->stopped;
	m.n_untold_continued = news->n_continued;
	m.untold_continued = news->continued;
	m.n_policies = policies->count;
	m.policies = policies->list;
	return cr_stage_put(st, CR_KIND_INSIDE, &m, err);
}

static void fill_mempolicy(const struct ask_thread_data *d, Cr__ThreadInside *m, Cr__MemPolicy *p)
{
	size_t len = sizeof(d->nodes);

	if (!d->mempolicy)
		return;
	while (len && !d->nodes[len - 1])
		len--;
	cr__mem_policy__init(p);
	p->mode = d->mempolicy;
	p->nodes.data = (uint8_t *)d->nodes;
	p->nodes.len = len;
	m->mempolicy = p;
}

int ask_put_thread(struct cr_stage *st, pid_t pid, pid_t tid, const struct ask_thread_data *d,
		   struct cr_err *err)
{
	Cr__ThreadInside m = CR__THREAD_INSIDE__INIT;
	Cr__AltStack alt = CR__ALT_STACK__INIT;
	Cr__MemPolicy policy;

	alt.sp = d->altstack[0];
	alt.ss_flags = (int32_t)d->altstack[1];
	alt.size = d->altstack[2];
	m.pid = (uint32_t)pid;
	m.tid = (uint32_t)tid;
	m.altstack = &alt;
	m.clear_child_tid = d->clear_child_tid;
	m.parent_death_signal = d->parent_death_signal;
	m.timer_slack_ns = (uint64_t)d->timer_slack;
	m.securebits = positive(d->securebits);
	m.no_tsc = d->tsc == PR_TSC_SIGSEGV;
	m.no_cpuid = d->cpuid == 0;
	m.mce_kill = positive(d->mce_kill);
	m.io_flusher = d->io_flusher > 0;
	m.spec_store_bypass = positive(d->spec_store_bypass);
	m.spec_indirect_branch = positive(d->spec_indirect_branch);
	m.spec_l1d_flush = positive(d->spec_l1d_flush);
	m.request_keyring = d->request_keyring > 0 ? (int32_t)d->request_keyring : 0;
	fill_mempolicy(d, &m, &policy);
	return cr_stage_put(st, CR_KIND_THREAD_INSIDE, &m, err);
}

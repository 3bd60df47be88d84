/* SPDX-License-Identifier: MIT */
/*
 * What prctl(2) and its kin set: for the process and for single threads.  Each
 * is read back after the restore; syscall user dispatch is also used.
 */
#include <asm/prctl.h>
#include <pthread.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

#define PR_GET_MDWE_NR 66
#define PR_SET_MERGE_NR 67
#define PR_GET_MERGE_NR 68
#define THP_EXCEPT_ADVISED 2		/* 6.18 */
#define PR_TIMER_IDS 77
#define PR_TIMER_IDS_ON 1
#define PR_TIMER_IDS_GET 2
#define PR_FUTEX_HASH_NR 78
#define PR_FUTEX_HASH_SET 1
#define PR_FUTEX_HASH_GET 2
#define FUTEX_SLOTS 1024
#define MEMBARRIER_GET_REGISTRATIONS (1 << 9)
#define MEMBARRIER_REGISTER_PRIVATE (1 << 4)
#define MEMBARRIER_REGISTER_GLOBAL (1 << 2)
#define MCE_KILL_EARLY 1

static pthread_barrier_t is_set, look;
static volatile char selector;
static volatile sig_atomic_t caught;

struct process {
	int subreaper, thp, mdwe, merge, membarrier, dumpable, timer_ids, futex_slots;
	char filter[32];
};

struct thread {
	int tsc, slack, securebits, mce;
	long cpuid, keyring;
	char name[16];
};

static void get_process(struct process *p)
{
	t_must(prctl(PR_GET_CHILD_SUBREAPER, &p->subreaper, 0, 0, 0));
	p->thp = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
	p->mdwe = prctl(PR_GET_MDWE_NR, 0, 0, 0, 0);
	p->merge = prctl(PR_GET_MERGE_NR, 0, 0, 0, 0);
	p->membarrier = (int)syscall(SYS_membarrier, MEMBARRIER_GET_REGISTRATIONS, 0, 0);
	p->timer_ids = prctl(PR_TIMER_IDS, PR_TIMER_IDS_GET, 0, 0, 0);
	p->futex_slots = prctl(PR_FUTEX_HASH_NR, PR_FUTEX_HASH_GET, 0, 0, 0);
	p->dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	t_read("/proc/self/coredump_filter", p->filter, sizeof(p->filter));
}

static void set_process(void)
{
	int fd = t_must(open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC));

	t_must(write(fd, "0x11", 4));
	close(fd);
	t_must(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	if (prctl(PR_SET_THP_DISABLE, 1, THP_EXCEPT_ADVISED, 0, 0) < 0)
		t_must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	prctl(PR_TIMER_IDS, PR_TIMER_IDS_ON, 0, 0, 0);
	prctl(PR_FUTEX_HASH_NR, PR_FUTEX_HASH_SET, FUTEX_SLOTS, 0, 0);
	prctl(PR_SET_MERGE_NR, 1, 0, 0, 0);
	t_must(syscall(SYS_membarrier, MEMBARRIER_REGISTER_PRIVATE, 0, 0));
	t_must(syscall(SYS_membarrier, MEMBARRIER_REGISTER_GLOBAL, 0, 0));
}

static void compare_process(const struct process *a, const struct process *b)
{
	t_same("subreaper", (uint64_t)a->subreaper, (uint64_t)b->subreaper);
	t_same("thp", (uint64_t)a->thp, (uint64_t)b->thp);
	t_same("mdwe", (uint64_t)a->mdwe, (uint64_t)b->mdwe);
	t_same("merge", (uint64_t)a->merge, (uint64_t)b->merge);
	t_same("membarrier", (uint64_t)a->membarrier, (uint64_t)b->membarrier);
	t_same("timer ids", (uint64_t)a->timer_ids, (uint64_t)b->timer_ids);
	t_same("futex slots", (uint64_t)a->futex_slots, (uint64_t)b->futex_slots);
	t_same("dumpable", (uint64_t)a->dumpable, (uint64_t)b->dumpable);
	t_same_str("coredump_filter", a->filter, b->filter);
}

static void get_thread(struct thread *t)
{
	memset(t, 0, sizeof(*t));
	t_must(prctl(PR_GET_TSC, &t->tsc, 0, 0, 0));
	t->slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	t->securebits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	t->mce = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
	t->cpuid = syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0);
	t->keyring = syscall(SYS_keyctl, KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_NO_CHANGE);
	t_must(prctl(PR_GET_NAME, t->name, 0, 0, 0));
}

static void compare_thread(const char *who, const struct thread *a, const struct thread *b)
{
	char what[64];

	snprintf(what, sizeof(what), "%s: tsc", who);
	t_same(what, (uint64_t)a->tsc, (uint64_t)b->tsc);
	snprintf(what, sizeof(what), "%s: slack", who);
	t_same(what, (uint64_t)a->slack, (uint64_t)b->slack);
	snprintf(what, sizeof(what), "%s: securebits", who);
	t_same(what, (uint64_t)a->securebits, (uint64_t)b->securebits);
	snprintf(what, sizeof(what), "%s: mce_kill", who);
	t_same(what, (uint64_t)a->mce, (uint64_t)b->mce);
	snprintf(what, sizeof(what), "%s: cpuid", who);
	t_same(what, (uint64_t)a->cpuid, (uint64_t)b->cpuid);
	snprintf(what, sizeof(what), "%s: keyring for requests", who);
	t_same(what, (uint64_t)a->keyring, (uint64_t)b->keyring);
	snprintf(what, sizeof(what), "%s: name", who);
	t_same_str(what, a->name, b->name);
}

static void meet(void)
{
	pthread_barrier_wait(&is_set);
	pthread_barrier_wait(&look);
}

static void *plain(void *arg)
{
	struct thread then, now;

	(void)arg;
	get_thread(&then);
	meet();
	get_thread(&now);
	compare_thread("plain", &then, &now);
	return NULL;
}

static void *changed(void *arg)
{
	struct thread then, now;

	(void)arg;
	t_must(prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0));
	t_must(prctl(PR_SET_TIMERSLACK, 123456, 0, 0, 0));
	t_must(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	t_must(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, MCE_KILL_EARLY, 0, 0));
	t_must(prctl(PR_SET_NAME, "a\\n \n\\changed", 0, 0, 0));
	syscall(SYS_keyctl, KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_USER_KEYRING);
	syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);	/* not every CPU can */
	get_thread(&then);
	pthread_barrier_wait(&is_set);
	if (t_spoiled())
		t_must(prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0));
	pthread_barrier_wait(&look);
	get_thread(&now);
	compare_thread("changed", &then, &now);
	return NULL;
}

/* Calls of this thread are sent back to it when the selector says so. */
static void on_sigsys(int sig, siginfo_t *info, void *ctx)
{
	(void)sig;
	(void)ctx;
	selector = 0;
	if (info->si_syscall == SYS_getppid)
		caught++;
}

static void *dispatched(void *arg)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO };

	(void)arg;
	sa.sa_sigaction = on_sigsys;
	t_must(sigaction(SIGSYS, &sa, NULL));
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector) < 0)
		return meet(), NULL;
	meet();
	selector = 1;
	syscall(SYS_getppid);
	t_same("calls sent back", 1, (uint64_t)caught);
	return NULL;
}

/* Not of the root, whose parent is another one after a restore. */
static pid_t start_child(void)
{
	pid_t pid = t_must(fork());
	int signal = 0;

	if (pid)
		return pid;
	t_must(prctl(PR_SET_PDEATHSIG, SIGUSR2, 0, 0, 0));
	t_touch("child");
	t_wait();
	t_must(prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0));
	t_same("parent death signal", SIGUSR2, (uint64_t)signal);
	_exit(t_done());
}

int main(void)
{
	void *(*const mains[])(void *) = { plain, changed, dispatched };
	struct process then, now;
	pthread_t t[3];
	pid_t child;

	t_init();
	child = start_child();
	while (!t_seen("child"))
		t_sleep_ms(1);
	pthread_barrier_init(&is_set, NULL, 4);
	pthread_barrier_init(&look, NULL, 4);
	for (int i = 0; i < 3; i++)
		if (pthread_create(&t[i], NULL, mains[i], NULL) != 0)
			t_fatal("pthread_create");
	set_process();
	get_process(&then);
	pthread_barrier_wait(&is_set);
	t_ready();
	t_wait();
	get_process(&now);
	compare_process(&then, &now);
	pthread_barrier_wait(&look);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	t_join_child("child", child);
	return t_done();
}

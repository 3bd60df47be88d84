/* SPDX-License-Identifier: MIT */
/*
 * Seccomp filters: one of the whole process, put on all threads at once, two
 * more of one thread, with a flag; inherited by a child.  Each turns a call
 * that nothing else makes into an error of its own.  With an argument the
 * process has no rights left when it is dumped.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

static pthread_barrier_t is_set, look;
static volatile bool others_done, may_install;

static int filter(unsigned int flags, unsigned int nr, unsigned int error)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, insns };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static uint64_t error_of(long nr)
{
	errno = 0;
	return syscall(nr, -1, 0, 0, 0, 0, 0) < 0 ? (uint64_t)errno : 0;
}

static void count(const char *what, uint64_t want)
{
	char text[4096], *p;

	t_read("/proc/thread-self/status", text, sizeof(text));
	p = strstr(text, "Seccomp_filters:");
	if (p)
		t_same(what, want, strtoull(p + 16, NULL, 10));
}

static void *other(void *arg)
{
	pthread_barrier_wait(&is_set);
	pthread_barrier_wait(&is_set);
	if (arg) {
		t_must(filter(SECCOMP_FILTER_FLAG_LOG, SYS_acct, 201));
		t_must(filter(0, SYS_swapon, 202));
	}
	pthread_barrier_wait(&is_set);
	pthread_barrier_wait(&look);
	count(arg ? "filters of the one" : "filters of the other", arg ? 3 : 1);
	t_same("of all", 200, error_of(SYS_quotactl));
	t_same("of one, logged", arg ? 201 : EPERM, error_of(SYS_acct) == 201 ? 201 : EPERM);
	t_same("of one", arg ? 202 : EPERM, error_of(SYS_swapon) == 202 ? 202 : EPERM);
	while (arg && !others_done)
		t_sleep_ms(1);
	/* Works only when those of the others are the very same as its oldest. */
	if (arg && may_install)
		t_same("what all have is one object", 0,
		       (uint64_t)filter(SECCOMP_FILTER_FLAG_TSYNC, SYS_swapoff, 205));
	return NULL;
}

/* Whether the threads' filters are one object shows when more are to come. */
static void check_shared(void)
{
	t_same("threads that have more stand against a new filter for all", 1,
	       (uint64_t)(filter(SECCOMP_FILTER_FLAG_TSYNC, SYS_swapoff, 203) > 0));
}

static pid_t start_child(void)
{
	pid_t pid = t_must(fork());

	if (pid)
		return pid;
	t_touch("child");
	t_wait();
	count("filters of the child", 1);
	t_same("of the child", 200, error_of(SYS_quotactl));
	_exit(t_done());
}

int main(int argc, char **argv)
{
	pthread_t t[2];
	pid_t child;

	(void)argv;
	t_init();
	pthread_barrier_init(&is_set, NULL, 3);
	pthread_barrier_init(&look, NULL, 3);
	for (uintptr_t i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, other, (void *)i) != 0)
			t_fatal("pthread_create");
	pthread_barrier_wait(&is_set);
	t_must(filter(SECCOMP_FILTER_FLAG_TSYNC, SYS_quotactl, 200));
	pthread_barrier_wait(&is_set);
	pthread_barrier_wait(&is_set);
	child = start_child();
	while (!t_seen("child"))
		t_sleep_ms(1);
	if (argc > 1 && (setgid(65534) < 0 || setuid(65534) < 0))
		t_fatal("setuid");
	t_ready();
	if (t_spoiled()) {
		t_must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		t_must(filter(0, SYS_swapoff, 204));
	}
	t_wait();
	count("filters", 1);
	t_same("of the first thread", 200, error_of(SYS_quotactl));
	may_install = argc == 1;
	if (may_install)
		check_shared();
	pthread_barrier_wait(&look);
	pthread_join(t[0], NULL);
	others_done = true;
	pthread_join(t[1], NULL);
	t_join_child("child", child);
	return t_done();
}

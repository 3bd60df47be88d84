/* SPDX-License-Identifier: MIT */
/*
 * Threads: ids, names, signal masks, thread-local storage, robust list, the
 * address that is cleared when they end; some of them compute, the others
 * sleep, or wait on a condition.  Argument: how many (16).
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

enum { COMPUTE, SLEEP, CONDITION, KINDS };

/* A crowd is a quiet one: the machine has others to serve. */
#define FEW 64

struct thread {
	pthread_t id;
	unsigned int n;
	pid_t tid;
	uint64_t sum, steps;
};

static __thread uint64_t tls_number = 0x1122334455667788;
static __thread char tls_text[64];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static unsigned int running;
static bool over;

static unsigned int kind_of(unsigned int n)
{
	return n < FEW ? n % KINDS : n % FEW ? CONDITION : SLEEP;
}

static void name_of(unsigned int n, char name[16])
{
	snprintf(name, 16, "worker %u", n);
}

static uint64_t mask_of(unsigned int n)
{
	return 1ull << (SIGUSR1 - 1) | (uint64_t)(n & 0xff) << (SIGRTMIN + 2);
}

static uint64_t get_mask(void)
{
	uint64_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
	return mask;
}

static void prepare(struct thread *t)
{
	uint64_t mask = mask_of(t->n);
	char name[16];

	t->tid = (pid_t)syscall(SYS_gettid);
	name_of(t->n, name);
	prctl(PR_SET_NAME, name);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
	tls_number = t_mix(t->n);
	snprintf(tls_text, sizeof(tls_text), "thread %u of %d", t->n, (int)getpid());
}

static void compare(struct thread *t)
{
	char name[16], is[17] = "", text[64];
	void *head;
	size_t len = 0;
	int *clear = NULL;

	t_same("tid", (uint64_t)t->tid, (uint64_t)syscall(SYS_gettid));
	name_of(t->n, name);
	prctl(PR_GET_NAME, is);
	t_same_str("name", name, is);
	t_same("signal mask", mask_of(t->n), get_mask());
	t_same("TLS number", t_mix(t->n), tls_number);
	snprintf(text, sizeof(text), "thread %u of %d", t->n, (int)getpid());
	t_same_str("TLS text", text, tls_text);
	if (syscall(SYS_get_robust_list, 0, &head, &len) < 0 || len != 24 || !head)
		t_differs("thread %u: robust list of length %zu at %p", t->n, len, head);
	/* PR_GET_TID_ADDRESS needs CONFIG_CHECKPOINT_RESTORE. */
	if (prctl(PR_GET_TID_ADDRESS, &clear) == 0 && (!clear || *clear != t->tid))
		t_differs("thread %u: the address to clear holds %d", t->n, clear ? *clear : -1);
}

static void compute(struct thread *t)
{
	uint64_t sum = 0, i = 0;

	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		for (int k = 0; k < 1000; k++)
			sum = t_mix(sum ^ i++);
		if (t->n >= 2 * KINDS)	/* not all of them: the machine has others */
			t_sleep_ms(20);
	}
	t->sum = sum;
	t->steps = i;
}

static void check_sum(const struct thread *t)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < t->steps; i++)
		sum = t_mix(sum ^ i);
	if (sum != t->sum)
		t_differs("thread %u: computed wrongly in %llu steps", t->n,
			  (unsigned long long)t->steps);
}

static void *run(void *arg)
{
	struct thread *t = arg;

	prepare(t);
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	switch (kind_of(t->n)) {
	case COMPUTE:
		compute(t);
		break;
	case SLEEP:
		while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
			t_sleep_ms(50);
		break;
	default:
		pthread_mutex_lock(&lock);
		while (!over)
			pthread_cond_wait(&cond, &lock);
		pthread_mutex_unlock(&lock);
	}
	compare(t);
	if (kind_of(t->n) == COMPUTE)
		check_sum(t);
	return arg;
}

static unsigned int count_tids(void)
{
	char text[4096], *p;

	t_read("/proc/self/status", text, sizeof(text));
	p = strstr(text, "\nThreads:");
	return p ? (unsigned int)strtoul(p + 9, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : 16;
	struct thread *list = calloc(n, sizeof(*list));
	pthread_attr_t attr;
	void *ret;

	t_init();
	if (!list)
		t_fatal("calloc");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (unsigned int i = 0; i < n; i++) {
		list[i].n = i;
		if (pthread_create(&list[i].id, &attr, run, &list[i]) != 0)
			t_fatal("pthread_create");
	}
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < n)
		t_sleep_ms(1);
	t_ready();
	if (t_spoiled())
		list[1].tid++;
	t_wait();
	t_same("threads", n + 1, count_tids());
	pthread_mutex_lock(&lock);
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	/* Returns when the kernel has cleared the thread's word. */
	for (unsigned int i = 0; i < n; i++)
		if (pthread_join(list[i].id, &ret) != 0 || ret != &list[i])
			t_differs("thread %u: joined wrongly", i);
	t_same("threads at the end", 1, count_tids());
	return t_done();
}

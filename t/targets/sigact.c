/* SPDX-License-Identifier: MIT */
/*
 * Signal handlers with all flags, and alternate stacks: what rt_sigaction
 * says of every signal is the same, handlers run where and how their flags
 * say, one thread is inside a handler on its alternate stack all the time.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "target.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

/* As the kernel has it. */
struct ksigaction {
	uint64_t handler, flags, restorer, mask;
};

struct want {
	int sig;
	uint64_t flags;
};

static const struct want wants[] = {
	{ SIGHUP, SA_RESTART | SA_ONSTACK },
	{ SIGUSR1, SA_SIGINFO | SA_ONSTACK },
	{ SIGUSR2, SA_SIGINFO | SA_ONSTACK | SA_RESTART },
	{ SIGALRM, SA_SIGINFO | SA_NODEFER },
	{ SIGTERM, SA_SIGINFO | SA_RESETHAND },
	{ SIGWINCH, SA_SIGINFO | SA_RESTART | SA_NODEFER | SA_ONSTACK },
	{ 40, SA_RESTART },
};

static struct ksigaction before[65], after[65];
static uint8_t *stacks[3];
static volatile int ran, ran_on, nested, inside, leave;

#define STACK_SIZE 65536

static bool on_stack(const uint8_t *stack)
{
	uint8_t here;

	return &here >= stack && &here < stack + STACK_SIZE;
}

static void note(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	ran = sig;
	ran_on = on_stack(stacks[0]);
	if (sig == SIGALRM && !nested) {
		nested = 1;
		raise(SIGALRM);	/* SA_NODEFER: at once */
		nested = ran == SIGALRM && nested == 1 ? 2 : 3;
	}
}

static void plain(int sig)
{
	ran = sig;
}

static void stay(int sig)
{
	(void)sig;
	__atomic_or_fetch(&inside, on_stack(stacks[1]) ? 1 : 2, __ATOMIC_SEQ_CST);
	while (!leave)
		t_sleep_ms(5);
	if (!on_stack(stacks[1]))
		t_differs("a handler is no more on its stack");
}

static void read_all(struct ksigaction *list)
{
	for (int sig = 1; sig <= 64; sig++)
		t_must(syscall(SYS_rt_sigaction, sig, NULL, &list[sig], 8));
}

static uint8_t *give_stack(int flags)
{
	stack_t ss = { .ss_size = STACK_SIZE, .ss_flags = flags };

	ss.ss_sp =
		mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ss.ss_sp == MAP_FAILED)
		t_fatal("mmap");
	t_must(sigaltstack(&ss, NULL));
	return ss.ss_sp;
}

static void check_stack(const char *who, const uint8_t *stack, unsigned int flags)
{
	stack_t ss;
	char what[64];

	t_must(sigaltstack(NULL, &ss));
	snprintf(what, sizeof(what), "alternate stack of %s", who);
	t_same(what, (uint64_t)stack, (uint64_t)ss.ss_sp);
	snprintf(what, sizeof(what), "its size, of %s", who);
	t_same(what, STACK_SIZE, ss.ss_size);
	snprintf(what, sizeof(what), "its flags, of %s", who);
	t_same(what, flags, (unsigned int)ss.ss_flags);
}

static void *stay_inside(void *arg)
{
	stacks[1] = give_stack(0);
	pthread_kill(pthread_self(), SIGHUP);
	check_stack("the thread that was in a handler", stacks[1], 0);
	return arg;
}

static void *disarm(void *arg)
{
	stacks[2] = give_stack((int)SS_AUTODISARM);
	__atomic_or_fetch(&inside, 4, __ATOMIC_SEQ_CST);
	while (!leave)
		t_sleep_ms(5);
	check_stack("the thread with SS_AUTODISARM", stacks[2], SS_AUTODISARM);
	return arg;
}

static void set_handlers(void)
{
	struct sigaction sa;

	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		memset(&sa, 0, sizeof(sa));
		sigemptyset(&sa.sa_mask);
		for (size_t k = 0; k < i; k++)
			sigaddset(&sa.sa_mask, wants[k].sig);
		sigaddset(&sa.sa_mask, SIGRTMIN + (int)i);
		sa.sa_flags = (int)wants[i].flags;
		if (wants[i].flags & SA_SIGINFO)
			sa.sa_sigaction = note;
		else
			sa.sa_handler = wants[i].sig == SIGHUP ? stay : plain;
		t_must(sigaction(wants[i].sig, &sa, NULL));
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	memset(&sa, 0, sizeof(sa));
	sa.sa_flags = SA_NOCLDSTOP | SA_NOCLDWAIT;
	t_must(sigaction(SIGCHLD, &sa, NULL));
}

static void compare_all(void)
{
	char what[64];

	for (int sig = 1; sig <= 64; sig++) {
		snprintf(what, sizeof(what), "signal %d: handler", sig);
		t_same(what, before[sig].handler, after[sig].handler);
		snprintf(what, sizeof(what), "signal %d: flags", sig);
		t_same(what, before[sig].flags, after[sig].flags);
		snprintf(what, sizeof(what), "signal %d: restorer", sig);
		t_same(what, before[sig].restorer, after[sig].restorer);
		snprintf(what, sizeof(what), "signal %d: mask", sig);
		t_same(what, before[sig].mask, after[sig].mask);
	}
}

static void try_handlers(void)
{
	struct sigaction sa;

	for (size_t i = 1; i < sizeof(wants) / sizeof(wants[0]); i++) {
		ran = 0;
		raise(wants[i].sig);
		t_same("the handler ran for", (uint64_t)wants[i].sig, (uint64_t)ran);
		if (wants[i].flags & SA_SIGINFO)
			t_same("on the alternate stack", !!(wants[i].flags & SA_ONSTACK),
			       (uint64_t)ran_on);
	}
	t_same("SA_NODEFER", 2, (uint64_t)nested);
	t_must(sigaction(SIGTERM, NULL, &sa));
	t_true("SA_RESETHAND", sa.sa_handler == SIG_DFL);
}

int main(void)
{
	pthread_t in_handler, disarmed;

	t_init();
	set_handlers();
	stacks[0] = give_stack(0);
	if (pthread_create(&in_handler, NULL, stay_inside, NULL) != 0 ||
	    pthread_create(&disarmed, NULL, disarm, NULL) != 0)
		t_fatal("pthread_create");
	while ((inside & 3) == 0 || (inside & 4) == 0)
		t_sleep_ms(1);
	read_all(before);
	t_ready();
	if (t_spoiled())
		signal(SIGUSR2, SIG_IGN);
	t_wait();
	read_all(after);
	compare_all();
	check_stack("main", stacks[0], 0);
	if (!t_differences)
		try_handlers();
	leave = 1;
	pthread_join(in_handler, NULL);
	pthread_join(disarmed, NULL);
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * busy [more | mdwe | novdso]
 *
 * A process that is in everything at once: threads that compute and verify,
 * that sleep in nanosleep, futex, poll, epoll_wait, sigtimedwait and a pipe, one
 * that takes counted real-time signals, one that answers each signal of the
 * child.  One always computes, the others for half of the time; all of those give
 * way to other programs, so that the machine is not theirs while it is frozen and
 * thawed some hundred times.  None of the sleepers may see EINTR.  With "more" also those
 * that are hard to carry: recv with a timeout, semtimedop, a pipe that is full.
 *
 * The file "status" is shared memory for whoever watches: a counter for each
 * activity, that must not stand still, and the first complaint.
 */
#include "busy.h"
#include "no-vdso.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define PR_SET_MDWE_NR 65		/* 6.3 */

#define COUNTED SIGRTMIN	/* value N is the Nth */
#define ASKED (SIGRTMIN + 1)	/* the child waits for the answer */
#define OUTSIDE (SIGRTMIN + 2)	/* like COUNTED, from outside of the tree */
#define AHEAD 16		/* counted signals on the way */
#define NICENESS 5		/* of what computes */
#define COMPUTE_MS 2		/* that long, then */
#define REST_MS 4

/* Each time anew: the compiler must not see that it always gives the same. */
__attribute__((noipa)) static uint64_t work(uint64_t seed)
{
	double d = 1;
	uint64_t x = seed;

	for (int i = 0; i < 20000; i++) {
		x = t_mix(x);
		d = d * 1.0000001 + (double)(x & 1023);
	}
	return x ^ (uint64_t)d;
}

/* This thread computes, from the returned time on. */
static uint64_t begin_computing(void)
{
	t_must(setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS));
	return t_now();
}

static void rest(uint64_t *began)
{
	if (t_now() - *began < COMPUTE_MS * MS)
		return;
	t_sleep_ms(REST_MS);
	*began = t_now();
}

static void compute(enum activity a)
{
	uint64_t want = work(a), got, began = begin_computing();

	for (;;) {
		got = work(a);
		if (got != want)
			complain("activity %d computes %#llx, not %#llx", a,
				 (unsigned long long)got, (unsigned long long)want);
		tick(a);
		rest(&began);
	}
}

static void *computing(void *arg)
{
	(void)arg;
	compute(COMPUTE);
	return NULL;
}

static void *memory(void *arg)
{
	static uint64_t buf[16384];
	uint64_t began = begin_computing();

	(void)arg;
	for (uint64_t seed = 1;; seed++) {
		t_fill(buf, sizeof(buf), seed);
		for (size_t i = 0; i < sizeof(buf) / 8; i++)
			if (buf[i] != t_mix(seed + i))
				complain("word %zu of memory is %#llx", i,
					 (unsigned long long)buf[i]);
		tick(MEMORY);
		rest(&began);
	}
	return NULL;
}

static void *nanosleeping(void *arg)
{
	const struct timespec nap = { 0, NAP_MS * MS };

	(void)arg;
	for (;;) {
		uint64_t began = t_now();

		expect("nanosleep", nanosleep(&nap, NULL), 0, 0, began);
		tick(NANOSLEEP);
	}
	return NULL;
}

static void *futexing(void *arg)
{
	const struct timespec nap = { 0, NAP_MS * MS };
	static uint32_t word;

	(void)arg;
	for (;;) {
		uint64_t began = t_now();
		long ret = syscall(SYS_futex, &word, FUTEX_WAIT, 0, &nap, NULL, 0);

		expect("futex", ret, -1, ETIMEDOUT, began);
		tick(FUTEX);
	}
	return NULL;
}

static void *polling(void *arg)
{
	(void)arg;
	for (;;) {
		uint64_t began = t_now();

		expect("poll", poll(NULL, 0, NAP_MS), 0, 0, began);
		tick(POLL);
	}
	return NULL;
}

static void *epolling(void *arg)
{
	int fd = t_must(epoll_create1(EPOLL_CLOEXEC));
	struct epoll_event ev;

	(void)arg;
	for (;;) {
		uint64_t began = t_now();

		expect_soft("epoll_wait", epoll_wait(fd, &ev, 1, NAP_MS), 0, 0, began);
		tick(EPOLL);
	}
	return NULL;
}

static void *waiting_for_signals(void *arg)
{
	const struct timespec nap = { 0, NAP_MS * MS };
	sigset_t set;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	for (;;) {
		uint64_t began = t_now();

		expect_soft("sigtimedwait", sigtimedwait(&set, NULL, &nap), -1, EAGAIN, began);
		tick(SIGTIMEDWAIT);
	}
	return NULL;
}

static int pipe_ends[2];

static void *writing(void *arg)
{
	uint32_t n = 0;

	(void)arg;
	for (;;) {
		t_sleep_ms(2);
		if (write(pipe_ends[1], &n, sizeof(n)) != sizeof(n))
			complain("write: %s", strerror(errno));
		n++;
	}
	return NULL;
}

static void *reading(void *arg)
{
	uint32_t want = 0, got;

	(void)arg;
	for (;;) {
		ssize_t n = read(pipe_ends[0], &got, sizeof(got));

		if (n != sizeof(got))
			complain("read: returned %zd: %s", n, strerror(errno));
		else if (got != want)
			complain("the pipe gave %u, not %u", got, want);
		want = got + 1;
		tick(PIPE);
	}
	return NULL;
}

/* Signals that are counted: each is the next one. */
static void on_counted(int sig, siginfo_t *info, void *context)
{
	enum activity a = sig == OUTSIDE ? GOT_OUTSIDE : COUNTING;
	uint64_t want = ticks(a);

	(void)context;
	if ((uint64_t)(uint32_t)info->si_value.sival_int != want)
		complain("signal %d: number %d came, not %llu", sig, info->si_value.sival_int,
			 (unsigned long long)want);
	tick(a);
}

static void *counting(void *arg)
{
	sigset_t set;
	volatile uint64_t x = 1;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, COUNTED);
	sigaddset(&set, OUTSIDE);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	begin_computing();
	for (;;)
		for (int i = 0; i < 100000; i++)
			x = t_mix(x);
	return NULL;
}

static volatile sig_atomic_t asked;

static void on_asked(int sig)
{
	(void)sig;
	asked++;
}

/* sigsuspend returns for each question: otherwise the child waits for ever. */
static void *answering(void *arg)
{
	sigset_t set;
	sig_atomic_t before;

	(void)arg;
	sigfillset(&set);
	sigdelset(&set, ASKED);
	for (;;) {
		before = asked;
		sigsuspend(&set);
		if (asked == before)
			complain("sigsuspend returned without a signal");
		tick(ANSWERING);
	}
	return NULL;
}

static void *child_asking(void *arg)
{
	for (uint64_t n = 0;; n++) {
		if (kill(*(pid_t *)arg, ASKED) < 0)
			complain("kill: %s", strerror(errno));
		while (ticks(ANSWERING) < n + 1)
			t_sleep_ms(1);
		if (ticks(ANSWERING) > n + 1)
			complain("more answers than questions");
		tick(CHILD_ASKED);
		if (n % 8 == 0)
			t_sleep_ms(1);
	}
	return NULL;
}

static void *child_sending(void *arg)
{
	for (uint32_t n = 0;; n++) {
		while (n - ticks(COUNTING) > AHEAD)
			t_sleep_ms(1);
		while (sigqueue(*(pid_t *)arg, COUNTED, (union sigval){ .sival_int = (int)n }) < 0)
			if (errno != EAGAIN)
				complain("sigqueue: %s", strerror(errno));
		tick(CHILD_SENT);
	}
	return NULL;
}

static pthread_t start(void *(*body)(void *), void *arg)
{
	pthread_t t;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 << 10);
	if (pthread_create(&t, &attr, body, arg))
		t_fatal("pthread_create");
	return t;
}

static void child(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	start(child_asking, &parent);
	start(child_sending, &parent);
	compute(CHILD_COMPUTE);
}

static void *receiving(void *arg)
{
	const struct timeval timeout = { 0, NAP_MS * 1000 };
	int s[2];
	char c;

	(void)arg;
	t_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	t_must(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)));
	for (;;) {
		uint64_t began = t_now();

		expect_soft("recv", recv(s[0], &c, 1, 0), -1, EAGAIN, began);
		began = t_now();
		expect_soft("read", read(s[0], &c, 1), -1, EAGAIN, began);
		tick(RECV);
	}
	return NULL;
}

static int semaphore = -1;

static void *at_semaphore(void *arg)
{
	const struct timespec nap = { 0, NAP_MS * MS };
	struct sembuf take = { 0, -1, 0 };

	(void)arg;
	for (;;) {
		uint64_t began = t_now();

		expect_soft("semtimedop", semtimedop(semaphore, &take, 1, &nap), -1, EAGAIN, began);
		tick(SEMAPHORE);
	}
	return NULL;
}

static int full[2];

static void *draining(void *arg)
{
	char buf[4096];

	(void)arg;
	for (;;) {
		t_sleep_ms(NAP_MS);
		if (read(full[0], buf, sizeof(buf)) <= 0)
			complain("read from the full pipe: %s", strerror(errno));
	}
	return NULL;
}

static void *filling(void *arg)
{
	static char buf[4096];

	(void)arg;
	for (;;) {
		ssize_t n = write(full[1], buf, sizeof(buf));

		if (n != sizeof(buf))
			complain("write to the full pipe: returned %zd: %s", n, strerror(errno));
		tick(FULL_PIPE);
	}
	return NULL;
}

static void map_status(void)
{
	char path[PATH_MAX + 32];
	int fd;

	t_name(path, sizeof(path), "status");
	fd = t_must(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666));
	t_must(ftruncate(fd, 4096));
	status = t_must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	close(fd);
}

static void set_handlers(void)
{
	struct sigaction count = { .sa_sigaction = on_counted,
				   .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigaction ask = { .sa_handler = on_asked };
	sigset_t all;

	/* Threads take the signals that are theirs and no others. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	sigfillset(&count.sa_mask);
	t_must(sigaction(COUNTED, &count, NULL));
	t_must(sigaction(OUTSIDE, &count, NULL));
	t_must(sigaction(ASKED, &ask, NULL));
}

static void all_move(bool more)
{
	uint64_t was[ACTIVITIES];

	memcpy(was, status->count, sizeof(was));
	for (int a = 0; a < (more ? ACTIVITIES : GOT_OUTSIDE); a++) {
		uint64_t until = t_now() + 60000 * MS;

		while (a != GOT_OUTSIDE && ticks(a) == was[a] && t_now() < until)
			t_sleep_ms(5);
		if (a != GOT_OUTSIDE && ticks(a) == was[a])
			t_differs("activity %d stands still", a);
	}
}

int main(int argc, char **argv)
{
	static void *(*const bodies[])(void *) = {
		computing, memory,    nanosleeping,	   futexing, polling, epolling,
		counting,  answering, waiting_for_signals, reading,  writing,
	};
	bool more = argc > 1 && strcmp(argv[1], "more") == 0;
	pid_t self = getpid(), pid;

	t_init();
	if (argc > 1 && strcmp(argv[1], "mdwe") == 0)
		t_must(prctl(PR_SET_MDWE_NR, 1, 0, 0, 0));
	if (argc > 1 && strcmp(argv[1], "novdso") == 0) {
		unmap_named("[vdso]");
		unmap_named("[vvar");
	}
	map_status();
	set_handlers();
	t_must(pipe2(pipe_ends, O_CLOEXEC));
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		start(bodies[i], NULL);
	if (more) {
		t_must(pipe2(full, O_CLOEXEC));
		semaphore = t_must(semget(IPC_PRIVATE, 1, 0600));
		start(receiving, NULL);
		start(at_semaphore, NULL);
		start(draining, NULL);
		start(filling, NULL);
	}
	pid = t_must(fork());
	if (pid == 0)
		child(self);
	status->child = (uint32_t)pid;
	all_move(more);
	t_ready();
	if (t_spoiled())
		complain("spoiled");
	t_wait();
	all_move(more);
	if (status->n_complaints)
		t_differs("%u complaints, the first: %s", status->n_complaints, status->complaint);
	if (status->n_eintr)
		t_differs("%u calls were interrupted", status->n_eintr);
	semctl(semaphore, 0, IPC_RMID);
	kill(pid, SIGKILL);
	return t_done();
}

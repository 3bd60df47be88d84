/* SPDX-License-Identifier: MIT */
/*
 * Interrupted system calls: a thread in each of many calls, with a time limit
 * or without.  None may return EINTR, and each must last as long as it was
 * asked to, not counting the time in which the process was away.
 */
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "target.h"

#define MS 1000000ull
#define GAP (60 * MS)
#define EARLY \
	(400 * MS)	/* the clock that is looked at may stand still for longer than the calls do */
#define LATE (400 * MS)

static uint64_t limit_ns;	/* how long the calls with a limit last */
static pid_t child;
static int full_pipe[2], empty_pipe[2], late_pipe[2], epoll_empty, epoll_late;
static uint32_t word, late_word;

/*
 * The longest time in which the process did not run, as a thread sees it that
 * does nothing but look at the clock.
 */
static volatile uint64_t gap_ns, gap_end, gaps;
static bool over;

static void *tick(void *arg)
{
	uint64_t last = t_now(), now;

	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		t_sleep_ms(2);
		now = t_now();
		/* It may have been away more than once. */
		if (now - last > GAP) {
			gap_ns += now - last;
			gap_end = now;
			gaps++;
		}
		last = now;
	}
	return arg;
}

static struct timespec limit(void)
{
	return (struct timespec){ (time_t)(limit_ns / 1000000000), (long)(limit_ns % 1000000000) };
}

static long do_nanosleep(void)
{
	struct timespec ts = limit();

	return syscall(SYS_nanosleep, &ts, &ts);
}

static long do_clock_nanosleep(void)
{
	struct timespec ts = limit();

	return syscall(SYS_clock_nanosleep, CLOCK_BOOTTIME, 0, &ts, &ts);
}

static long do_clock_nanosleep_abs(void)
{
	uint64_t at = t_now() + limit_ns;
	struct timespec ts = { (time_t)(at / 1000000000), (long)(at % 1000000000) };

	return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static long do_poll(void)
{
	struct pollfd p = { .fd = empty_pipe[0], .events = POLLIN };

	return syscall(SYS_poll, &p, 1, limit_ns / MS);
}

static long do_ppoll(void)
{
	struct pollfd p = { .fd = empty_pipe[0], .events = POLLIN };
	struct timespec ts = limit();
	sigset_t mask;

	sigemptyset(&mask);
	return syscall(SYS_ppoll, &p, 1, &ts, &mask, 8);
}

static long do_select(void)
{
	struct timeval tv = { (time_t)(limit_ns / 1000000000),
			      (suseconds_t)(limit_ns % 1000000000 / 1000) };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(empty_pipe[0], &set);
	return syscall(SYS_select, empty_pipe[0] + 1, &set, NULL, NULL, &tv);
}

static long do_pselect(void)
{
	struct timespec ts = limit();
	fd_set set;

	FD_ZERO(&set);
	FD_SET(empty_pipe[0], &set);
	return syscall(SYS_pselect6, empty_pipe[0] + 1, &set, NULL, NULL, &ts, NULL);
}

static long do_futex(void)
{
	struct timespec ts = limit();
	long ret = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);

	return ret < 0 && errno == ETIMEDOUT ? 0 : ret;
}

static long do_futex_abs(void)
{
	uint64_t at = t_now() + limit_ns;
	struct timespec ts = { (time_t)(at / 1000000000), (long)(at % 1000000000) };
	long ret = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL,
			   FUTEX_BITSET_MATCH_ANY);

	return ret < 0 && errno == ETIMEDOUT ? 0 : ret;
}

static long do_sigtimedwait(void)
{
	struct timespec ts = limit();
	sigset_t set;
	long ret;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	ret = syscall(SYS_rt_sigtimedwait, &set, NULL, &ts, 8);
	return ret < 0 && errno == EAGAIN ? 0 : ret;
}

static long do_epoll_wait(void)
{
	struct epoll_event ev;

	return epoll_wait(epoll_empty, &ev, 1, (int)(limit_ns / MS));
}

/* These end when main makes them end. */
static long do_read(void)
{
	char c = 0;
	long n = read(late_pipe[0], &c, 1);

	return n == 1 && c == 'x' ? 0 : -1;
}

static long do_write(void)
{
	char buf[8192];

	memset(buf, 'w', sizeof(buf));
	return write(full_pipe[1], buf, sizeof(buf)) == sizeof(buf) ? 0 : -1;
}

static long do_futex_forever(void)
{
	return syscall(SYS_futex, &late_word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static long do_poll_forever(void)
{
	struct pollfd p = { .fd = late_pipe[0], .events = POLLHUP };

	return poll(&p, 1, -1) == 1 ? 0 : -1;
}

static long do_epoll_forever(void)
{
	struct epoll_event ev;

	return epoll_wait(epoll_late, &ev, 1, -1) == 1 ? 0 : -1;
}

static long do_wait4(void)
{
	int status = 0;

	if (wait4(child, &status, 0, NULL) != child)
		return -1;
	return status == 5 << 8 ? 0 : status;
}

/* ANEW: the kernel does not keep how long it has waited. */
enum kind { RELATIVE, ANEW, ABSOLUTE, UNTIL_MAIN };

struct call {
	const char *name;
	long (*make)(void);
	enum kind kind;
	pthread_t thread;
	uint64_t began, ended;
	long ret;
	int err;
};

static struct call calls[] = {
	{ .name = "nanosleep", .make = do_nanosleep },
	{ .name = "clock_nanosleep", .make = do_clock_nanosleep },
	{ .name = "clock_nanosleep, TIMER_ABSTIME",
	  .make = do_clock_nanosleep_abs,
	  .kind = ABSOLUTE },
	{ .name = "poll", .make = do_poll },
	{ .name = "ppoll", .make = do_ppoll },
	{ .name = "select", .make = do_select },
	{ .name = "pselect6", .make = do_pselect },
	{ .name = "futex", .make = do_futex },
	{ .name = "futex, absolute", .make = do_futex_abs, .kind = ABSOLUTE },
	{ .name = "rt_sigtimedwait", .make = do_sigtimedwait, .kind = ANEW },
	{ .name = "epoll_wait", .make = do_epoll_wait, .kind = ANEW },
	{ .name = "read", .make = do_read, .kind = UNTIL_MAIN },
	{ .name = "write", .make = do_write, .kind = UNTIL_MAIN },
	{ .name = "futex without a limit", .make = do_futex_forever, .kind = UNTIL_MAIN },
	{ .name = "poll without a limit", .make = do_poll_forever, .kind = UNTIL_MAIN },
	{ .name = "epoll_wait without a limit", .make = do_epoll_forever, .kind = UNTIL_MAIN },
	{ .name = "wait4", .make = do_wait4, .kind = UNTIL_MAIN },
};

#define N (sizeof(calls) / sizeof(calls[0]))
#define READER 11

static void *run(void *arg)
{
	struct call *c = arg;

	c->began = t_now();
	c->ret = c->make();
	c->err = errno;
	c->ended = t_now();
	return arg;
}

static void compare(const struct call *c)
{
	uint64_t took = c->ended - c->began, away = gap_ns, due;
	/* On a machine with much to do not every gap is one of the process. */
	const uint64_t n = gaps ? gaps : 1;

	if (c->ret != 0) {
		t_differs("%s: returned %ld, %s", c->name, c->ret,
			  c->ret < 0 ? strerror(c->err) : "no error");
		return;
	}
	if (c->kind == UNTIL_MAIN)
		return;
	if (c->kind == ANEW) {
		if (took + EARLY < limit_ns || took > (1 + n) * limit_ns + away + n * LATE)
			t_differs("%s: lasted %llu ms of %llu", c->name,
				  (unsigned long long)(took / MS),
				  (unsigned long long)(limit_ns / MS));
		return;
	}
	if (c->kind == ABSOLUTE) {
		due = c->began + limit_ns;
		due = due > gap_end ? due : gap_end;
		if (c->ended + MS < c->began + limit_ns || c->ended > due + n * LATE)
			t_differs("%s: ended %lld ms from when it was due", c->name,
				  (long long)(c->ended - due) / (long long)MS);
		return;
	}
	/* A process that was only frozen counts the time, one that was away not. */
	due = limit_ns + (t_seen("restored") ? away : 0);
	if (took + n * EARLY < due || took > limit_ns + away + n * LATE)
		t_differs("%s: lasted %llu ms of %llu, and %llu away in %llu gaps", c->name,
			  (unsigned long long)(took / MS), (unsigned long long)(limit_ns / MS),
			  (unsigned long long)(away / MS), (unsigned long long)n);
}

static int watch(int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };
	int ep = t_must(epoll_create1(0));

	t_must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	return ep;
}

static void prepare(void)
{
	char buf[4096] = { 0 };

	t_must(pipe(empty_pipe));
	t_must(pipe(late_pipe));
	t_must(pipe(full_pipe));
	t_must(fcntl(full_pipe[1], F_SETFL, O_NONBLOCK));
	while (write(full_pipe[1], buf, sizeof(buf)) > 0)
		;
	t_must(fcntl(full_pipe[1], F_SETFL, 0));
	epoll_empty = watch(empty_pipe[0], EPOLLIN);
	epoll_late = watch(late_pipe[0], EPOLLHUP);
	child = t_must(fork());
	if (child == 0) {
		close(late_pipe[1]);
		t_wait();
		_exit(5);
	}
}

static void let_end(void)
{
	char buf[65536];

	if (write(late_pipe[1], "x", 1) != 1)
		t_differs("write: %s", strerror(errno));
	pthread_join(calls[READER].thread, NULL);
	close(late_pipe[1]);
	for (ssize_t n, left = 65536 + 8192; left > 0; left -= n) {
		n = read(full_pipe[0], buf, sizeof(buf));
		if (n <= 0)
			break;
	}
	late_word = 1;
	syscall(SYS_futex, &late_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

int main(int argc, char **argv)
{
	pthread_t ticker;

	t_init();
	limit_ns = (argc > 1 ? strtoull(argv[1], NULL, 10) : 2500) * MS;
	prepare();
	if (pthread_create(&ticker, NULL, tick, NULL) != 0)
		t_fatal("pthread_create");
	for (size_t i = 0; i < N; i++)
		if (pthread_create(&calls[i].thread, NULL, run, &calls[i]) != 0)
			t_fatal("pthread_create");
	t_sleep_ms(200);	/* all are in their calls */
	t_ready();
	if (t_spoiled()) {
		word = 1;
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0);
	}
	t_wait();
	let_end();
	for (size_t i = 0; i < N; i++) {
		if (i != READER)
			pthread_join(calls[i].thread, NULL);
		compare(&calls[i]);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_join(ticker, NULL);
	return t_done();
}

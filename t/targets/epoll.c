/* SPDX-License-Identifier: MIT */
/*
 * epoll: items with their events and data, one epoll in another, items whose
 * number was closed or given to something else since they were added, one-shot
 * ones that have fired and do not even report a hangup, edge-triggered ones, an
 * item of a file that only a child has, and an epoll that a child has too; items by
 * many numbers that are closed, and of a process whose pidfd only another one has.
 */
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <sys/socket.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "target.h"

static int ep, inner, ready, idle, in_inner, moved, closed, shot, edge, shared_ep, childs;
static int old_moved, old_closed;
static int crowd, crowded, pids;
static int shots, piped[2], pair[2], timer, childs_only;

static void add(int e, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	t_must(epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev));
}

static void give(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		t_fatal("write to an eventfd");
}

static int event(void)
{
	return t_must(eventfd(0, EFD_NONBLOCK));
}

/* Each has fired once; two are then empty, and all would hang up. */
static void set_up_shots(void)
{
	struct itimerspec at = { .it_value.tv_nsec = 1 };
	struct epoll_event ev;
	uint64_t v;
	char c;

	shots = t_must(epoll_create1(0));
	t_must(pipe(piped));
	t_must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	timer = t_must(timerfd_create(CLOCK_MONOTONIC, 0));
	add(shots, piped[0], EPOLLIN | EPOLLONESHOT, 41);
	t_must(write(piped[1], "x", 1));
	add(shots, pair[0], EPOLLIN | EPOLLONESHOT | EPOLLET, 42);
	t_must(write(pair[1], "x", 1));
	add(shots, timer, EPOLLIN | EPOLLONESHOT, 43);
	t_must(timerfd_settime(timer, 0, &at, NULL));
	for (int i = 0; i < 3; i++)
		t_must(epoll_wait(shots, &ev, 1, -1));
	t_must(read(piped[0], &c, 1));
	t_must(read(pair[0], &c, 1));
	t_must(read(timer, &v, sizeof(v)));
	/* A ready one that must not be taken for one of them. */
	add(shots, ready, EPOLLIN | EPOLLET, 44);
}

#define CROWD 100

/* By all numbers above those that stay open. */
static void set_up_crowd(void)
{
	crowd = t_must(epoll_create1(0));
	crowded = event();
	for (int n = 201; n <= 200 + CROWD; n++) {
		t_must(dup2(crowded, n));
		add(crowd, n, EPOLLIN, (uint64_t)n);
	}
	for (int n = 201; n <= 200 + CROWD; n++)
		close(n);
}

static void check_crowd(void)
{
	struct epoll_event ev[2 * CROWD];
	uint64_t sum = 0;
	int n;

	give(crowded);
	n = epoll_wait(crowd, ev, 2 * CROWD, 0);
	t_same("a crowd of items", CROWD, (uint64_t)n);
	for (int i = 0; i < n; i++)
		sum += ev[i].data.u64;
	t_same("their numbers", CROWD * 200 + CROWD * (CROWD + 1) / 2, sum);
}

/* Of @pid, in an epoll of ours, when only the keeper has it open. */
static pid_t set_up_pidfd(pid_t pid)
{
	int fd = t_must((int)syscall(SYS_pidfd_open, pid, 0));
	pid_t keeper = t_must(fork());

	if (keeper == 0) {
		close(piped[1]);
		close(pair[1]);
		while (access("over", F_OK) < 0)
			t_sleep_ms(5);
		_exit(0);
	}
	pids = t_must(epoll_create1(EPOLL_CLOEXEC));
	add(pids, fd, EPOLLIN, 9);
	close(fd);
	return keeper;
}

/* How it polls devices: what a kernel since 6.9 knows. */
struct params {
	uint32_t usecs;
	uint16_t budget;
	uint8_t prefer, pad;
};
#define SET_PARAMS _IOW(0x8a, 1, struct params)
#define GET_PARAMS _IOR(0x8a, 2, struct params)
static bool has_params;

static void check_params(void)
{
	struct params p = { 0 };

	if (!has_params)
		return;
	t_must(ioctl(shots, GET_PARAMS, &p));
	t_same("microseconds of busy polling", 50, p.usecs);
	t_same("its budget", 8, p.budget);
	t_same("and that it is preferred", 1, p.prefer);
}

static void set_up(void)
{
	struct epoll_event ev;
	int null;

	ep = t_must(epoll_create1(EPOLL_CLOEXEC));
	inner = t_must(epoll_create1(0));
	ready = event();
	give(ready);
	add(ep, ready, EPOLLIN, 0x1111222233334444);
	idle = event();
	add(ep, idle, EPOLLIN | EPOLLRDHUP, 2);
	in_inner = event();
	add(inner, in_inner, EPOLLIN, 30);
	add(ep, inner, EPOLLIN, 3);
	/* Its number is given to another file. */
	old_moved = event();
	add(ep, old_moved, EPOLLIN, 4);
	moved = t_must(fcntl(old_moved, F_DUPFD, 200));
	null = t_must(open("/dev/null", O_RDWR));
	t_must(dup2(null, old_moved));
	/* Its number is closed. */
	closed = event();
	old_closed = t_must(fcntl(closed, F_DUPFD, 300));
	add(ep, old_closed, EPOLLIN, 5);
	close(old_closed);
	/* It has fired and says nothing until it is armed again. */
	shot = event();
	give(shot);
	add(inner, shot, EPOLLIN | EPOLLONESHOT, 31);
	t_same("one shot", 1, (uint64_t)epoll_wait(inner, &ev, 1, 0));
	edge = event();
	add(inner, edge, EPOLLIN | EPOLLET, 32);
	shared_ep = t_must(epoll_create1(0));
	childs = event();
	add(shared_ep, childs, EPOLLIN, 6);
	childs_only = event();
	add(ep, childs_only, EPOLLIN, 8);
	set_up_shots();
	set_up_crowd();
	has_params = ioctl(shots, SET_PARAMS, &(struct params){ 50, 8, 1, 0 }) == 0;
}

/* The sum of the data of what is ready, and how many. */
static uint64_t poll_sum(int e, int *count)
{
	struct epoll_event ev[16];
	uint64_t sum = 0;

	*count = epoll_wait(e, ev, 16, 0);
	for (int i = 0; i < *count; i++)
		sum += ev[i].data.u64;
	return sum;
}

static void expect(const char *what, int e, int want, uint64_t sum)
{
	int count;
	uint64_t got = poll_sum(e, &count);

	t_same(what, (uint64_t)want, (uint64_t)count);
	t_same("their data", sum, got);
}

static void check_shots(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 45 };
	struct itimerspec at = { .it_value.tv_nsec = 1 };
	char c;

	close(piped[1]);
	close(pair[1]);
	t_must(timerfd_settime(timer, 0, &at, NULL));
	t_sleep_ms(5);
	expect("what has fired says nothing of a hangup", shots, 1, 44);
	t_must(epoll_ctl(shots, EPOLL_CTL_MOD, piped[0], &ev));
	expect("until it is armed", shots, 1, 45);
	t_same("nothing is in the pipe", 0, (uint64_t)read(piped[0], &c, 1));
}

static void check(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 33 };
	uint64_t v;

	expect("ready at first", ep, 1, 0x1111222233334444);
	check_params();
	check_shots();
	check_crowd();
	t_must(read(ready, &v, sizeof(v)));
	expect("nothing", ep, 0, 0);
	give(idle);
	expect("the idle one", ep, 1, 2);
	t_must(read(idle, &v, sizeof(v)));
	give(in_inner);
	expect("the inner epoll", ep, 1, 3);
	expect("in it", inner, 1, 30);
	t_must(read(in_inner, &v, sizeof(v)));
	give(edge);
	expect("an edge", inner, 1, 32);
	expect("no edge", inner, 0, 0);
	t_must(epoll_ctl(inner, EPOLL_CTL_MOD, shot, &ev));
	expect("the shot again", inner, 1, 33);
	give(moved);
	expect("one whose number is another file's", ep, 1, 4);
	t_must(read(moved, &v, sizeof(v)));
	give(closed);
	expect("one whose number is closed", ep, 1, 5);
	t_true("the number is closed", fcntl(old_closed, F_GETFD) < 0);
	t_true("the item can be found by its number",
	       dup2(closed, old_closed) == old_closed &&
		       epoll_ctl(ep, EPOLL_CTL_DEL, old_closed, NULL) == 0);
	expect("it is gone", ep, 0, 0);
}

static void child_of(void)
{
	int only = event();

	add(shared_ep, only, EPOLLIN, 7);
	close(piped[1]);
	close(pair[1]);
	t_touch("child");
	t_wait();
	while (access("checked", F_OK) < 0)
		t_sleep_ms(5);
	give(childs_only);
	give(only);
	/* The parent sees it in the epoll that both have. */
	t_touch("given");
	while (access("done", F_OK) < 0)
		t_sleep_ms(5);
	_exit(t_differences ? 1 : 0);
}

int main(void)
{
	pid_t child, keeper;
	siginfo_t info;

	t_init();
	set_up();
	child = t_must(fork());
	if (child == 0)
		child_of();
	while (access("child", F_OK) < 0)
		t_sleep_ms(5);
	/* Its item stays, since the child has it open. */
	close(childs_only);
	keeper = set_up_pidfd(child);
	t_ready();
	if (t_spoiled())
		epoll_ctl(ep, EPOLL_CTL_DEL, idle, NULL);
	t_wait();
	check();
	give(childs);
	t_touch("checked");
	while (access("given", F_OK) < 0)
		t_sleep_ms(5);
	expect("shared with the child", shared_ep, 2, 13);
	expect("one that only the child has", ep, 1, 8);
	expect("a process that lives", pids, 0, 0);
	t_touch("done");
	while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) < 0)
		t_sleep_ms(5);
	expect("a process that has ended", pids, 1, 9);
	t_touch("over");
	t_join_child("the child", child);
	t_join_child("the keeper", keeper);
	unlink("checked");
	unlink("given");
	unlink("done");
	unlink("over");
	return t_done();
}

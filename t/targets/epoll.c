/* SPDX-License-Identifier: MIT */
/*
 * epoll: items with their events and data, one epoll in another, items whose
 * number was closed or given to something else since they were added, one-shot
 * and edge-triggered ones, and an epoll that a child has too.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "target.h"

static int ep, inner, ready, idle, in_inner, moved, closed, shot, edge, shared_ep, childs;
static int old_moved, old_closed;

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

static void check(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 33 };
	uint64_t v;

	expect("ready at first", ep, 1, 0x1111222233334444);
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
	t_touch("child");
	t_wait();
	give(only);
	/* The parent sees it in the epoll that both have. */
	t_touch("given");
	while (access("done", F_OK) < 0)
		t_sleep_ms(5);
	_exit(t_differences ? 1 : 0);
}

int main(void)
{
	pid_t child;

	t_init();
	set_up();
	child = t_must(fork());
	if (child == 0)
		child_of();
	while (access("child", F_OK) < 0)
		t_sleep_ms(5);
	t_ready();
	if (t_spoiled())
		epoll_ctl(ep, EPOLL_CTL_DEL, idle, NULL);
	t_wait();
	check();
	give(childs);
	while (access("given", F_OK) < 0)
		t_sleep_ms(5);
	expect("shared with the child", shared_ep, 2, 13);
	t_touch("done");
	t_join_child("the child", child);
	unlink("given");
	unlink("done");
	return t_done();
}

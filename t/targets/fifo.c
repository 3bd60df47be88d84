/* SPDX-License-Identifier: MIT */
/*
 * Fifos: bytes in them, both ends in one process or in two, a reader that
 * never had a writer, one whose writer is gone, a writer whose reader is gone,
 * O_RDWR, one that was deleted; and pipes of packets.
 */
#include <poll.h>
#include <sys/ioctl.h>

#include "target.h"

static int both_r, both_w, lone, left, unread, rdwr, dead_r, dead_w, up_r, up_w, down_w, down_r;
static int packets[2], mixed[2];

static void make(const char *name)
{
	t_must(mkfifo(name, 0600));
}

static void put(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		t_fatal("write");
}

static void expect(const char *what, int fd, const char *text)
{
	char buf[256];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = 0;
	t_same_str(what, text, n < 0 ? strerror(errno) : buf);
}

static void set_up(void)
{
	int fd;

	make("both");
	both_r = t_must(open("both", O_RDONLY | O_NONBLOCK));
	both_w = t_must(open("both", O_WRONLY | O_CLOEXEC));
	t_must(fcntl(both_w, F_SETPIPE_SZ, 1 << 17));
	put(both_w, "bytes of both");
	make("lone");
	lone = t_must(open("lone", O_RDONLY | O_NONBLOCK));
	make("left");
	left = t_must(open("left", O_RDONLY | O_NONBLOCK));
	fd = t_must(open("left", O_WRONLY));
	put(fd, "left behind");
	close(fd);
	make("unread");
	fd = t_must(open("unread", O_RDONLY | O_NONBLOCK));
	unread = t_must(open("unread", O_WRONLY));
	put(unread, "for the next one");
	close(fd);
	make("rdwr");
	rdwr = t_must(open("rdwr", O_RDWR));
	put(rdwr, "mine");
	make("dead");
	dead_r = t_must(open("dead", O_RDONLY | O_NONBLOCK));
	dead_w = t_must(open("dead", O_WRONLY));
	put(dead_w, "of the dead");
	t_must(unlink("dead"));
	make("down");
	make("up");
	t_must(pipe2(packets, O_DIRECT | O_NONBLOCK));
	put(packets[1], "one");
	put(packets[1], "two by two");
	put(packets[1], "3");
	t_must(pipe2(mixed, O_NONBLOCK));
	put(mixed[1], "stream ");
	put(mixed[1], "and more");
	t_must(fcntl(mixed[1], F_SETFL, O_NONBLOCK | O_DIRECT));
	put(mixed[1], "a packet");
}

static int events(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	poll(&pfd, 1, 0);
	return pfd.revents;
}

static void check(void)
{
	int fd, n = 0;

	t_same("capacity", 1 << 17, (uint64_t)fcntl(both_r, F_GETPIPE_SZ));
	expect("both", both_r, "bytes of both");
	put(both_w, "new");
	expect("both again", both_r, "new");
	t_same("flags", O_RDONLY | O_NONBLOCK, (uint64_t)fcntl(both_r, F_GETFL) & ~0100000);
	t_same("flags", O_WRONLY, (uint64_t)fcntl(both_w, F_GETFL) & ~0100000);
	t_same("nobody has written to the lone one", 0, (uint64_t)events(lone));
	fd = t_must(open("lone", O_WRONLY | O_NONBLOCK));
	put(fd, "late");
	expect("now somebody has", lone, "late");
	expect("left behind", left, "left behind");
	t_true("its writer is gone", events(left) & POLLHUP);
	expect("then its end", left, "");
	fd = t_must(open("unread", O_RDONLY | O_NONBLOCK));
	expect("what the next reader finds", fd, "for the next one");
	close(fd);
	t_must(ioctl(rdwr, FIONREAD, &n));
	t_same("bytes in one that is O_RDWR", 4, (uint64_t)n);
	expect("they are", rdwr, "mine");
	expect("a deleted one", dead_r, "of the dead");
	put(dead_w, "still");
	expect("it goes on", dead_r, "still");
	t_true("its name has not come back", access("dead", F_OK) < 0);
	expect("packet one", packets[0], "one");
	expect("packet two", packets[0], "two by two");
	expect("packet three", packets[0], "3");
	put(packets[1], "a");
	put(packets[1], "b");
	expect("new packets", packets[0], "a");
	expect("stay apart", packets[0], "b");
	/* A read ends behind a packet. */
	expect("stream and packet", mixed[0], "stream and morea packet");
	t_same("flags of its writer", O_WRONLY | O_NONBLOCK | O_DIRECT,
	       (uint64_t)fcntl(mixed[1], F_GETFL));
}

static void child_of(void)
{
	down_r = t_must(open("down", O_RDONLY));
	up_w = t_must(open("up", O_WRONLY));
	t_wait();
	expect("the child", down_r, "for the child");
	put(up_w, "for the parent");
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
	down_w = t_must(open("down", O_WRONLY));
	up_r = t_must(open("up", O_RDONLY));
	put(down_w, "for the child");
	t_ready();
	if (t_spoiled())
		expect("spoil", both_r, "bytes of both");
	t_wait();
	check();
	expect("from the child", up_r, "for the parent");
	t_join_child("the child", child);
	return t_done();
}

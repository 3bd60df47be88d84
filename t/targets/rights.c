/* SPDX-License-Identifier: MIT */
/*
 * Descriptors on their way (SCM_RIGHTS), in queues of every type: of files that
 * a process has too, of such that only a message has, of sockets that have
 * descriptors in their own queue, of a socket in its own queue, from another
 * process, and which bytes of a stream they come with.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "target.h"

#define MAX 253
#define USER 4321

static int stream[2], seq[2], own[2], nested[2], many[2], cred[2], of_child[2];
static int net[2], accepted[2], client, file, event, both_ends[2], epoll, terminal;
static struct sockaddr_in listener_at;
static pid_t sender;

static void pair(int type, int fd[2])
{
	t_must(socketpair(AF_UNIX, type, 0, fd));
}

static void send_fds(int to, const char *text, const int *fds, unsigned int n)
{
	union {
		char buf[CMSG_SPACE(MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = "" };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	t_must(sendmsg(to, &h, MSG_DONTWAIT));
}

/* Send it and have it no more. */
static void give(int to, const char *text, int fd)
{
	send_fds(to, text, &fd, 1);
	close(fd);
}

/* At most @size bytes; are they @text, with @n descriptors, of @uc (NULL: not told)? */
static void expect(const char *what, int from, size_t size, const char *text, int *fds,
		   unsigned int n, struct ucred *uc)
{
	union {
		char buf[CMSG_SPACE(MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	char buf[1000];
	struct iovec iov = { buf, size };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(from, &h, MSG_DONTWAIT);
	unsigned int come = 0;

	t_same(what, strlen(text), (uint64_t)got);
	if (got == (ssize_t)strlen(text) && memcmp(buf, text, strlen(text)) != 0)
		t_differs("%s: other bytes", what);
	for (unsigned int i = 0; i < n; i++)
		fds[i] = -1;
	for (struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_type == SCM_CREDENTIALS && uc)
			memcpy(uc, CMSG_DATA(c), sizeof(*uc));
		if (c->cmsg_type != SCM_RIGHTS)
			continue;
		come = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (come < n ? come : n) * sizeof(int));
	}
	t_same(what, n, come);
}

static int expect_one(const char *what, int from, const char *text)
{
	int fd;

	expect(what, from, 1000, text, &fd, 1, NULL);
	return fd;
}

static int new_file(const char *name, const char *text)
{
	int fd = t_must(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));

	t_must(write(fd, text, strlen(text)));
	t_must(lseek(fd, 2, SEEK_SET));
	return fd;
}

static void expect_bytes(const char *what, int fd, const char *text)
{
	char buf[64];
	ssize_t n = read(fd, buf, sizeof(buf));

	t_same(what, strlen(text), (uint64_t)n);
	t_true(what, n <= 0 || memcmp(buf, text, (size_t)n) == 0);
}

/* --- which bytes they come with --------------------------------------------------- */

static void set_up_stream(void)
{
	int fds[2];

	pair(SOCK_STREAM, stream);
	file = new_file("file", "abcdefgh");
	event = t_must(eventfd(7, EFD_NONBLOCK));
	fds[0] = file;
	fds[1] = event;
	t_must(send(stream[1], "plain", 5, 0));
	send_fds(stream[1], "two", fds, 2);
	t_must(send(stream[1], "between", 7, 0));
	send_fds(stream[1], "again", &file, 1);
	give(stream[1], "x", new_file("alone", "123456"));
	t_must(send(stream[1], "end", 3, 0));
}

static void check_stream(void)
{
	int fds[2];
	uint64_t value = 0;

	expect("bytes in front", stream[0], 4, "plai", NULL, 0, NULL);
	expect("one byte in front and what comes with two", stream[0], 100, "ntwo", fds, 2, NULL);
	t_same("an offset in common", 2, (uint64_t)lseek(fds[0], 1, SEEK_CUR) - 1);
	t_same("the same file", 3, (uint64_t)lseek(file, 0, SEEK_CUR));
	t_must(write(fds[1], &(uint64_t){ 1 }, 8));
	t_must(read(event, &value, 8));
	t_same("the same eventfd", 8, value);
	expect("bytes between", stream[0], 7, "between", NULL, 0, NULL);
	expect("the first byte", stream[0], 1, "a", fds, 1, NULL);
	t_same("the same file again", 3, (uint64_t)lseek(fds[0], 0, SEEK_CUR));
	expect("the rest, and the next one", stream[0], 100, "gainx", fds, 1, NULL);
	expect_bytes("a file that only a message has", fds[0], "3456");
	expect("the end", stream[0], 100, "end", NULL, 0, NULL);
}

/* --- what only a message has ------------------------------------------------------- */

/* Its master stays. */
static int open_terminal(void)
{
	int number, unlock = 0;
	char path[32];

	terminal = t_must(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	t_must(ioctl(terminal, TIOCGPTN, &number));
	t_must(ioctl(terminal, TIOCSPTLCK, &unlock));
	snprintf(path, sizeof(path), "/dev/pts/%d", number);
	return t_must(open(path, O_RDWR | O_NOCTTY));
}

static void set_up_kinds(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 77 };
	struct itimerspec its = { .it_interval = { 0, 1000000 }, .it_value = { 0, 1000000 } };
	int fd, pipe_ends[2];

	pair(SOCK_SEQPACKET, seq);
	t_must(pipe(pipe_ends));
	t_must(write(pipe_ends[1], "in the pipe", 11));
	/* It watches a file that only a message has. */
	epoll = t_must(epoll_create1(0));
	t_must(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_ends[0], &ev));
	give(seq[1], "read", pipe_ends[0]);
	give(seq[1], "write", pipe_ends[1]);
	fd = new_file("deleted", "ghostly");
	t_must(unlink("deleted"));
	give(seq[1], "deleted", fd);
	/* One that would block, and one that is told so afterwards. */
	give(seq[1], "event", t_must(eventfd(3, 0)));
	fd = t_must(inotify_init1(0));
	t_must(inotify_add_watch(fd, "/", IN_DELETE_SELF));
	t_must(fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND));
	give(seq[1], "watch", fd);
	fd = t_must(timerfd_create(CLOCK_MONOTONIC, 0));
	t_must(timerfd_settime(fd, 0, &its, NULL));
	give(seq[1], "timer", fd);
	fd = t_must(memfd_create("mem", 0));
	t_must(write(fd, "memory", 6));
	t_must(lseek(fd, 1, SEEK_SET));
	give(seq[1], "memory", fd);
	give(seq[1], "directory", t_must(open(".", O_RDONLY | O_DIRECTORY)));
	give(seq[1], "slave", open_terminal());
	/* One end of a pipe here, the other on its way. */
	t_must(pipe(both_ends));
	give(seq[1], "other end", both_ends[1]);
}

static void check_kinds(void)
{
	int in = expect_one("an end of a pipe", seq[0], "read");
	int out = expect_one("the other end", seq[0], "write"), fd;
	struct stat here, there;
	struct epoll_event ev = { 0 };
	uint64_t times;

	t_same("epoll sees bytes", 1, (uint64_t)epoll_wait(epoll, &ev, 1, 0));
	t_same("and tells of what", 77, ev.data.u64);
	expect_bytes("bytes in the pipe", in, "in the pipe");
	t_same("epoll sees none", 0, (uint64_t)epoll_wait(epoll, &ev, 1, 0));
	t_must(write(out, "more", 4));
	expect_bytes("bytes through the pipe", in, "more");
	close(out);
	expect_bytes("its end", in, "");
	fd = expect_one("a deleted file", seq[0], "deleted");
	expect_bytes("a deleted file", fd, "ostly");
	fd = expect_one("an eventfd", seq[0], "event");
	t_same("its flags", O_RDWR, (uint64_t)fcntl(fd, F_GETFL));
	t_must(read(fd, &times, sizeof(times)));
	t_same("its count", 3, times);
	fd = expect_one("an inotify", seq[0], "watch");
	t_same("its flags", O_NONBLOCK | O_APPEND, (uint64_t)fcntl(fd, F_GETFL));
	t_same("its watch", 0, (uint64_t)inotify_rm_watch(fd, 1));
	fd = expect_one("a timer", seq[0], "timer");
	t_same("a timer goes on", 8, (uint64_t)read(fd, &times, sizeof(times)));
	fd = expect_one("a memfd", seq[0], "memory");
	expect_bytes("a memfd", fd, "emory");
	fd = expect_one("a directory", seq[0], "directory");
	t_must(stat(".", &here));
	t_must(fstat(fd, &there));
	t_same("a directory", here.st_ino, there.st_ino);
	fd = expect_one("a terminal", seq[0], "slave");
	t_must(write(fd, "typed", 5));
	expect_bytes("through a terminal", terminal, "typed");
	fd = expect_one("an end of a pipe that is here", seq[0], "other end");
	t_must(write(fd, "through", 7));
	expect_bytes("from a message to here", both_ends[0], "through");
}

/* --- sockets ------------------------------------------------------------------------ */

static void set_up_sockets(void)
{
	int inner[2], deep[2], listener = t_must(socket(AF_INET, SOCK_STREAM, 0)), one = 1;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(listener_at);

	/* In its own queue, and behind that a file. */
	pair(SOCK_STREAM, own);
	send_fds(own[1], "self", &own[0], 1);
	give(own[1], "file", new_file("own", "0123"));
	/* A file in the queue of one that is in a queue that is in a queue. */
	pair(SOCK_DGRAM, nested);
	pair(SOCK_STREAM, inner);
	pair(SOCK_SEQPACKET, deep);
	give(deep[1], "deepest", new_file("deep", "abcd"));
	t_must(send(deep[1], "after", 5, 0));
	give(inner[1], "inner", deep[0]);
	close(deep[1]);
	give(nested[1], "outer", inner[0]);
	give(nested[1], "other", inner[1]);
	pair(SOCK_DGRAM, net);
	listener_at.sin_family = AF_INET;
	listener_at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	t_must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	t_must(bind(listener, (struct sockaddr *)&listener_at, sizeof(listener_at)));
	t_must(getsockname(listener, (struct sockaddr *)&listener_at, &len));
	t_must(listen(listener, 3));
	give(net[1], "listener", listener);
	/* What a server that hands its connections over does. */
	pair(SOCK_DGRAM, accepted);
	listener = t_must(socket(AF_UNIX, SOCK_STREAM, 0));
	snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "cr-t-rights-%d", getpid());
	t_must(bind(listener, (struct sockaddr *)&un, sizeof(un)));
	t_must(listen(listener, 1));
	client = t_must(socket(AF_UNIX, SOCK_STREAM, 0));
	t_must(connect(client, (struct sockaddr *)&un, sizeof(un)));
	t_must(send(client, "hello", 5, 0));
	give(accepted[1], "connection", t_must(accept(listener, NULL, NULL)));
	close(listener);
}

static void check_sockets(void)
{
	int fd = expect_one("itself", own[0], "self"), inner, deep, to, taken;
	char buf[16];

	fd = expect_one("behind itself, by itself", fd, "file");
	expect_bytes("a file behind itself", fd, "23");
	inner = expect_one("a socket", nested[0], "outer");
	deep = expect_one("a socket in its queue", inner, "inner");
	fd = expect_one("a file in its queue", deep, "deepest");
	expect_bytes("a file in its queue", fd, "cd");
	expect("bytes behind it", deep, 100, "after", NULL, 0, NULL);
	t_same("the end behind them", 0, (uint64_t)recv(deep, buf, 1, MSG_DONTWAIT));
	to = expect_one("the socket's peer", nested[0], "other");
	t_must(send(to, "peer", 4, 0));
	expect("from its peer", inner, 100, "peer", NULL, 0, NULL);
	fd = expect_one("a listener", net[0], "listener");
	to = t_must(socket(AF_INET, SOCK_STREAM, 0));
	t_must(connect(to, (struct sockaddr *)&listener_at, sizeof(listener_at)));
	taken = t_must(accept(fd, NULL, NULL));
	close(taken);
	fd = expect_one("a connection", accepted[0], "connection");
	expect("from its client", fd, 100, "hello", NULL, 0, NULL);
	t_must(send(fd, "answer", 6, 0));
	expect("an answer", client, 100, "answer", NULL, 0, NULL);
}

/* --- who has sent them ---------------------------------------------------------------- */

static void set_up_cred(void)
{
	int on = 1;

	pair(SOCK_STREAM, cred);
	t_must(setsockopt(cred[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	t_must(send(cred[1], "mine", 4, 0));
	sender = t_must(fork());
	if (sender == 0) {
		t_must(setresuid(USER, USER, USER));
		send_fds(cred[1], "his", &event, 1);
		_exit(0);
	}
	t_join_child("a sender", sender);
	send_fds(cred[1], "mine again", &event, 1);
}

static void check_cred(void)
{
	struct ucred uc = { 0 };
	int fds[1];
	uint64_t value = 0;

	expect("of our own", cred[0], 100, "mine", NULL, 0, &uc);
	t_same("by us", (uint64_t)getpid(), (uint64_t)uc.pid);
	expect("of a child that is gone", cred[0], 100, "his", fds, 1, &uc);
	t_same("by the child", (uint64_t)sender, (uint64_t)uc.pid);
	t_same("its user", USER, uc.uid);
	t_must(write(fds[0], &(uint64_t){ 5 }, 8));
	expect("of our own again", cred[0], 100, "mine again", fds, 1, &uc);
	t_same("by us again", (uint64_t)getpid(), (uint64_t)uc.pid);
	t_must(read(fds[0], &value, 8));
	t_same("the same eventfd", 5, value);
}

/* --- many, and those of a child --------------------------------------------------------- */

static void set_up_many(void)
{
	int fds[MAX];

	pair(SOCK_DGRAM, many);
	for (int i = 0; i < MAX; i++)
		fds[i] = i % 2 ? stream[0] : t_must(eventfd((unsigned int)i, EFD_NONBLOCK));
	send_fds(many[1], "many", fds, MAX);
	for (int i = 0; i < MAX; i += 2)
		close(fds[i]);
}

static void check_many(void)
{
	int fds[MAX];
	uint64_t value;

	expect("many", many[0], 100, "many", fds, MAX, NULL);
	for (int i = 2; i < MAX; i += 2) {
		value = 0;
		t_must(read(fds[i], &value, 8));
		t_same("one of many", (uint64_t)i, value);
	}
	for (int i = 0; i < MAX; i++)
		close(fds[i]);
}

/* It has a file that it has sent, and looks at its offset then. */
static void child_of(void)
{
	int fd = new_file("childs", "0123456789");

	send_fds(of_child[1], "child's", &fd, 1);
	t_touch("sent");
	t_wait();
	while (!t_seen("moved"))
		t_sleep_ms(5);
	t_same("an offset that the parent has changed", 9, (uint64_t)lseek(fd, 0, SEEK_CUR));
	_exit(t_differences ? 1 : 0);
}

static void check_child(pid_t child)
{
	int fd = expect_one("from a child", of_child[0], "child's");

	t_same("its offset", 2, (uint64_t)lseek(fd, 0, SEEK_CUR));
	t_must(lseek(fd, 9, SEEK_SET));
	t_touch("moved");
	t_join_child("the child", child);
	unlink("moved");
}

int main(int argc, char **argv)
{
	pid_t child;

	(void)argv;
	t_init();
	/* So many that the kernel is asked for its table. */
	for (int i = 0; argc > 1 && i < 600; i++)
		t_must(open("/dev/null", O_RDONLY));
	pair(SOCK_STREAM, of_child);
	child = t_must(fork());
	if (child == 0)
		child_of();
	set_up_stream();
	set_up_kinds();
	set_up_sockets();
	set_up_cred();
	set_up_many();
	while (!t_seen("sent"))
		t_sleep_ms(5);
	t_ready();
	if (t_spoiled())
		lseek(file, 7, SEEK_SET);
	t_wait();
	/* Before others of it are closed. */
	check_many();
	check_stream();
	check_kinds();
	check_sockets();
	check_cred();
	check_child(child);
	return t_done();
}

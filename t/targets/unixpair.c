/* SPDX-License-Identifier: MIT */
/*
 * AF_UNIX sockets without names: pairs of every type with bytes and messages
 * in both directions, boundaries kept, ends that are shut down or closed, one
 * end in a child, options, and who made them.
 */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "target.h"

#define BIG 150000
#define USER 4321
#define GROUP 8765

static int stream[2], dgram[2], seq[2], half[2], closed[2], reset[2], gone[2], gone_shut[2],
	with_cred[2];
static int tuned[2], to_child[2], shared[2], by_user[2], by_dead[2], empty[2], peeked[2];
static int end_seq[2], reset_seq[2], reset_runs[2], async[2];
static volatile sig_atomic_t got_signal, got_fd;
static char big[BIG];
static pid_t dead;

static void pair(int type, int fd[2])
{
	t_must(socketpair(AF_UNIX, type, 0, fd));
}

static void put(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_DONTWAIT) != (ssize_t)len)
		t_fatal("send");
}

static void expect(const char *what, int fd, const void *data, size_t len)
{
	char buf[2 * BIG];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	t_same(what, len, (uint64_t)n);
	if (n == (ssize_t)len && memcmp(buf, data, len) != 0)
		t_differs("%s: other bytes", what);
}

static void expect_none(const char *what, int fd)
{
	char c;

	t_true(what, recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

static void set_int(int fd, int option, int value)
{
	t_must(setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)));
}

static int get_int(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	t_must(getsockopt(fd, SOL_SOCKET, option, &value, &len));
	return value;
}

/* --- who made it -------------------------------------------------------------- */

static void pair_as(uid_t uid, gid_t gid, int fd[2])
{
	t_must(setresgid(-1, gid, -1));
	t_must(setresuid(-1, uid, -1));
	pair(SOCK_STREAM, fd);
	t_must(setresuid(-1, 0, -1));
	t_must(setresgid(-1, 0, -1));
}

/* A pair that a process has made which is gone: it comes in a message. */
static void pair_of_dead(int fd[2])
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = "" };
	char c = 0;
	struct iovec iov = { &c, 1 };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);
	int way[2];

	pair(SOCK_DGRAM, way);
	dead = t_must(fork());
	if (dead == 0) {
		pair(SOCK_STREAM, fd);
		m->cmsg_level = SOL_SOCKET;
		m->cmsg_type = SCM_RIGHTS;
		m->cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(m), fd, 2 * sizeof(int));
		_exit(sendmsg(way[1], &h, 0) < 0);
	}
	t_must(recvmsg(way[0], &h, 0));
	memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), 2 * sizeof(int));
	t_join_child("maker of a pair", dead);
	close(way[0]);
	close(way[1]);
}

static void check_peer(const char *what, int fd, pid_t pid, uid_t uid, gid_t gid)
{
	struct ucred uc = { 0 };
	socklen_t len = sizeof(uc);

	t_must(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &len));
	t_same(what, (uint64_t)pid, (uint64_t)uc.pid);
	t_same("its user", uid, uc.uid);
	t_same("its group", gid, uc.gid);
}

/* --- messages with credentials -------------------------------------------------- */

static void expect_from(const char *what, int fd, const char *text, pid_t pid, uid_t uid)
{
	union {
		char buf[256];
		struct cmsghdr align;
	} control;
	char buf[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&h);
	struct ucred uc = { 0 };

	t_same(what, strlen(text), (uint64_t)n);
	if (n < 0 || memcmp(buf, text, (size_t)n) != 0)
		t_differs("%s: other bytes", what);
	if (c && c->cmsg_type == SCM_CREDENTIALS)
		memcpy(&uc, CMSG_DATA(c), sizeof(uc));
	t_same("its sender", (uint64_t)pid, (uint64_t)uc.pid);
	t_same("the sender's user", uid, uc.uid);
}

static pid_t child_writes(int fd, const char *text, uid_t uid)
{
	pid_t pid = t_must(fork());

	if (pid == 0) {
		t_must(setresuid(uid, uid, uid));
		_exit(send(fd, text, strlen(text), 0) < 0);
	}
	t_join_child("a writer", pid);
	return pid;
}

static pid_t writer;

static void set_up_creds(void)
{
	pair(SOCK_STREAM, with_cred);
	set_int(with_cred[0], SO_PASSCRED, 1);
	put(with_cred[1], "mine", 4);
	writer = child_writes(with_cred[1], "his", USER);
	put(with_cred[1], "again", 5);
}

static void check_creds(void)
{
	t_same("SO_PASSCRED", 1, (uint64_t)get_int(with_cred[0], SO_PASSCRED));
	expect_from("the first run", with_cred[0], "mine", getpid(), 0);
	expect_from("the second run", with_cred[0], "his", writer, USER);
	expect_from("the third run", with_cred[0], "again", getpid(), 0);
	expect_none("no more runs", with_cred[0]);
}

/* --- options --------------------------------------------------------------------- */

static void set_up_options(void)
{
	struct timeval tv = { 3, 500000 };
	struct linger linger = { 1, 7 };

	pair(SOCK_DGRAM, tuned);
	set_int(tuned[0], SO_RCVBUF, 30000);
	set_int(tuned[0], SO_SNDBUF, 40000);
	set_int(tuned[0], SO_KEEPALIVE, 1);
	set_int(tuned[0], SO_PRIORITY, 5);
	set_int(tuned[0], SO_PASSSEC, 1);
	set_int(tuned[0], SO_TIMESTAMPNS, 1);
	t_must(setsockopt(tuned[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	t_must(setsockopt(tuned[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	t_must(fchown(tuned[0], USER, GROUP));
	t_must(fchmod(tuned[0], 0640));
	t_must(fcntl(tuned[0], F_SETFL, O_NONBLOCK));
	t_must(fcntl(tuned[0], F_SETFD, FD_CLOEXEC));
}

static void check_options(void)
{
	struct timeval tv = { 0 };
	struct linger linger = { 0 };
	socklen_t len = sizeof(tv);
	struct stat sb;

	t_same("SO_RCVBUF", 60000, (uint64_t)get_int(tuned[0], SO_RCVBUF));
	t_same("SO_SNDBUF", 80000, (uint64_t)get_int(tuned[0], SO_SNDBUF));
	t_same("SO_KEEPALIVE", 1, (uint64_t)get_int(tuned[0], SO_KEEPALIVE));
	t_same("SO_PRIORITY", 5, (uint64_t)get_int(tuned[0], SO_PRIORITY));
	t_same("SO_PASSSEC", 1, (uint64_t)get_int(tuned[0], SO_PASSSEC));
	t_same("SO_TIMESTAMPNS", 1, (uint64_t)get_int(tuned[0], SO_TIMESTAMPNS));
	t_must(getsockopt(tuned[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	t_same("SO_RCVTIMEO", 3500000, (uint64_t)(tv.tv_sec * 1000000 + tv.tv_usec));
	len = sizeof(linger);
	t_must(getsockopt(tuned[0], SOL_SOCKET, SO_LINGER, &linger, &len));
	t_same("SO_LINGER", 7, (uint64_t)(linger.l_onoff ? linger.l_linger : 0));
	t_must(fstat(tuned[0], &sb));
	t_same("owner", USER, sb.st_uid);
	t_same("group", GROUP, sb.st_gid);
	t_same("mode", S_IFSOCK | 0640, sb.st_mode);
	t_same("flags", O_RDWR | O_NONBLOCK, (uint64_t)fcntl(tuned[0], F_GETFL));
	t_same("close-on-exec", FD_CLOEXEC, (uint64_t)fcntl(tuned[0], F_GETFD));
	t_must(fstat(tuned[1], &sb));
	t_same("owner of the other end", 0, sb.st_uid);
}

/* --- an owner ---------------------------------------------------------------------- */

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	got_signal = sig;
	got_fd = info->si_fd;
}

static void set_up_owner(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct f_owner_ex ex = { .type = F_OWNER_PID, .pid = getpid() };

	pair(SOCK_STREAM, async);
	t_must(sigaction(SIGRTMIN + 3, &sa, NULL));
	t_must(fcntl(async[0], F_SETOWN_EX, &ex));
	t_must(fcntl(async[0], F_SETSIG, SIGRTMIN + 3));
	t_must(fcntl(async[0], F_SETFL, O_ASYNC | O_NONBLOCK));
}

static void check_owner(void)
{
	struct f_owner_ex ex = { 0 };

	t_must(fcntl(async[0], F_GETOWN_EX, &ex));
	t_same("owner of a socket", (uint64_t)getpid(), (uint64_t)ex.pid);
	t_same("its signal", (uint64_t)(SIGRTMIN + 3), (uint64_t)fcntl(async[0], F_GETSIG));
	t_same("its flags", O_RDWR | O_ASYNC | O_NONBLOCK, (uint64_t)fcntl(async[0], F_GETFL));
	put(async[1], "!", 1);
	for (int i = 0; i < 2000 && !got_signal; i++)
		t_sleep_ms(1);
	t_same("the signal comes", (uint64_t)(SIGRTMIN + 3), (uint64_t)got_signal);
	t_same("and says for what", (uint64_t)async[0], (uint64_t)got_fd);
}

/* --- queues ---------------------------------------------------------------------- */

static void set_up_queues(void)
{
	pair(SOCK_STREAM, stream);
	put(stream[0], "abc", 3);
	put(stream[0], "defg", 4);
	put(stream[1], big, BIG);
	pair(SOCK_DGRAM, dgram);
	put(dgram[0], "one", 3);
	put(dgram[0], "", 0);
	put(dgram[0], "three", 5);
	put(dgram[1], big, BIG);
	put(dgram[1], "after", 5);
	pair(SOCK_SEQPACKET, seq);
	put(seq[0], "record 1", 8);
	put(seq[0], "", 0);
	put(seq[0], "record 3", 8);
	put(seq[1], "back", 4);
	pair(SOCK_SEQPACKET, end_seq);
	put(end_seq[1], "", 0);
	put(end_seq[1], "last", 4);
	close(end_seq[1]);
	pair(SOCK_STREAM, empty);
	pair(SOCK_DGRAM, peeked);
	put(peeked[1], "first", 5);
	put(peeked[1], "second", 6);
	set_int(peeked[0], SO_PEEK_OFF, 5);
}

static void check_queues(void)
{
	char buf[16];

	expect("a stream", stream[1], "abcdefg", 7);
	expect("a long stream", stream[0], big, BIG);
	expect_none("no more of the stream", stream[1]);
	expect("the first datagram", dgram[1], "one", 3);
	expect("the second datagram", dgram[1], "", 0);
	expect("the third datagram", dgram[1], "three", 5);
	expect_none("no more datagrams", dgram[1]);
	expect("a big datagram", dgram[0], big, BIG);
	expect("one behind it", dgram[0], "after", 5);
	expect("the first record", seq[1], "record 1", 8);
	expect("the second record", seq[1], "", 0);
	expect("the third record", seq[1], "record 3", 8);
	expect_none("no more records", seq[1]);
	expect("a record back", seq[0], "back", 4);
	expect("an empty record", end_seq[0], "", 0);
	expect("the last record", end_seq[0], "last", 4);
	expect("the end of records", end_seq[0], "", 0);
	expect_none("an empty one", empty[0]);
	put(empty[1], "now", 3);
	expect("what comes then", empty[0], "now", 3);
	t_same("SO_PEEK_OFF", 5, (uint64_t)get_int(peeked[0], SO_PEEK_OFF));
	t_same("peeking goes on", 6, (uint64_t)recv(peeked[0], buf, sizeof(buf), MSG_PEEK));
	expect("what was peeked at", peeked[0], "first", 5);
}

/* --- ends ------------------------------------------------------------------------ */

static void set_up_ends(void)
{
	pair(SOCK_STREAM, half);
	put(half[0], "before", 6);
	t_must(shutdown(half[0], SHUT_WR));
	pair(SOCK_STREAM, closed);
	put(closed[1], "bye", 3);
	close(closed[1]);
	pair(SOCK_STREAM, reset);
	put(reset[0], "never read", 10);
	put(reset[1], "but sent", 8);
	close(reset[1]);
	pair(SOCK_SEQPACKET, reset_seq);
	put(reset_seq[0], "never read", 10);
	close(reset_seq[1]);
	/* More than one run of bytes before it. */
	pair(SOCK_STREAM, reset_runs);
	set_int(reset_runs[0], SO_PASSCRED, 1);
	put(reset_runs[1], "mine", 4);
	child_writes(reset_runs[1], "his", USER);
	put(reset_runs[0], "never read", 10);
	close(reset_runs[1]);
	pair(SOCK_DGRAM, gone);
	put(gone[1], "left", 4);
	close(gone[1]);
	pair(SOCK_DGRAM, gone_shut);
	t_must(shutdown(gone_shut[0], SHUT_RDWR));
	close(gone_shut[1]);
}

static void check_ends(void)
{
	struct pollfd shut = { .fd = gone_shut[0], .events = POLLRDHUP };
	struct pollfd pfd = { .fd = reset[0], .events = POLLIN };

	expect("bytes before a shutdown", half[1], "before", 6);
	expect("the end behind them", half[1], "", 0);
	t_true("no writing after a shutdown",
	       send(half[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	put(half[1], "still", 5);
	expect("the other direction", half[0], "still", 5);
	expect("bytes of a closed peer", closed[0], "bye", 3);
	expect("its end", closed[0], "", 0);
	t_true("no writing to a closed peer",
	       send(closed[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	t_must(poll(&pfd, 1, 0));
	t_true("a reset is seen", pfd.revents & POLLERR);
	t_same("its error", ECONNRESET, (uint64_t)get_int(reset[0], SO_ERROR));
	expect("bytes before the reset", reset[0], "but sent", 8);
	t_same("a reset of records", ECONNRESET, (uint64_t)get_int(reset_seq[0], SO_ERROR));
	expect("one run before a reset", reset_runs[0], "mine", 4);
	expect("another run before it", reset_runs[0], "his", 3);
	t_must(poll(&shut, 1, 0));
	t_same("a shutdown before the peer closed", POLLRDHUP | POLLHUP, (uint64_t)shut.revents);
	t_true("no writing after it",
	       send(gone_shut[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	t_same("the reset behind", ECONNRESET, (uint64_t)get_int(reset_runs[0], SO_ERROR));
	expect("a datagram of a closed peer", gone[0], "left", 4);
	t_true("no datagram to a closed peer",
	       send(gone[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED);
}

/* --- the child ------------------------------------------------------------------- */

/* Has one end of a pair, and both of another; answers what it gets. */
static void child_of(void)
{
	char c;

	close(to_child[0]);
	while (recv(to_child[1], &c, 1, 0) == 1) {
		c++;
		if (send(to_child[1], &c, 1, 0) != 1)
			_exit(2);
	}
	check_peer("maker, seen by the child", to_child[1], getppid(), 0, 0);
	_exit(t_differences ? 1 : 0);
}

static void check_child(pid_t child)
{
	char c = 0;

	expect("an answer that was under way", to_child[0], "B", 1);
	put(to_child[0], "x", 1);
	t_same("an answer", 1, (uint64_t)recv(to_child[0], &c, 1, 0));
	t_same("its value", 'y', (uint64_t)c);
	check_peer("maker, seen by the parent", to_child[0], getpid(), 0, 0);
	expect("bytes of a shared pair", shared[1], "both", 4);
	/* The child has it too, so it does not end. */
	close(shared[0]);
	expect_none("a shared end that one has closed", shared[1]);
	close(to_child[0]);
	t_join_child("the child", child);
	expect("that the other has closed as well", shared[1], "", 0);
}

int main(void)
{
	pid_t child;
	char c;

	t_init();
	t_fill(big, sizeof(big), 5);
	set_up_queues();
	set_up_ends();
	pair_as(USER, GROUP, by_user);
	pair_of_dead(by_dead);
	pair(SOCK_STREAM, to_child);
	pair(SOCK_STREAM, shared);
	put(shared[0], "both", 4);
	child = t_must(fork());
	if (child == 0)
		child_of();
	/* What only one process has. */
	set_up_creds();
	set_up_options();
	set_up_owner();
	close(to_child[1]);
	put(to_child[0], "A", 1);
	t_sleep_ms(100);
	t_ready();
	if (t_spoiled())
		recv(seq[1], &c, 1, 0);
	t_wait();
	check_queues();
	check_ends();
	check_creds();
	check_options();
	check_owner();
	check_peer("maker of a pair", stream[0], getpid(), 0, 0);
	check_peer("as another user", by_user[1], getpid(), USER, GROUP);
	check_peer("a maker that is gone", by_dead[0], dead, 0, 0);
	check_child(child);
	return t_done();
}

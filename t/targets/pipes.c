/* SPDX-License-Identifier: MIT */
/*
 * Pipes: bytes in them, capacity, flags, both ends in one process or between
 * parent and child, ends that are closed, bytes that a reader who is gone has
 * left, duplicates, and that the bytes keep flowing.
 */
#include <signal.h>
#include <sys/ioctl.h>

#include "target.h"

static int own[2], closed_writer[2], closed_reader[2], down[2], up[2], empty[2], full[2];
static char bytes[20000];
static size_t full_bytes;

static int inode(int fd)
{
	struct stat st;

	t_must(fstat(fd, &st));
	return (int)st.st_ino;
}

static void set_up(void)
{
	char buf[4096];

	t_fill(bytes, sizeof(bytes), 99);
	t_must(pipe2(own, O_CLOEXEC));
	t_must(fcntl(own[1], F_SETPIPE_SZ, 1 << 18));
	t_must(fcntl(own[0], F_SETFL, O_NONBLOCK));
	if (write(own[1], bytes, sizeof(bytes)) != sizeof(bytes))
		t_fatal("write");
	t_must(pipe(closed_writer));
	if (write(closed_writer[1], bytes, 100) != 100)
		t_fatal("write");
	close(closed_writer[1]);
	t_must(pipe(closed_reader));
	if (write(closed_reader[1], bytes, 100) != 100)
		t_fatal("write");
	close(closed_reader[0]);
	t_must(pipe(empty));
	t_must(fchmod(empty[0], 0666));
	if (geteuid() == 0)
		t_must(fchown(empty[1], 71, 72));
	t_must(pipe(full));
	t_must(fcntl(full[1], F_SETFL, O_NONBLOCK));
	memset(buf, 7, sizeof(buf));
	for (ssize_t n; (n = write(full[1], buf, sizeof(buf))) > 0;)
		full_bytes += (size_t)n;
	t_must(pipe(down));
	t_must(pipe(up));
}

/* Sends back each number it gets, plus one, until the pipe ends. */
static void child_of(void)
{
	uint64_t v;

	close(down[1]);
	close(up[0]);
	while (read(down[0], &v, sizeof(v)) == sizeof(v)) {
		v++;
		if (write(up[1], &v, sizeof(v)) != sizeof(v))
			_exit(2);
	}
	t_true("the child sees its end of file", t_asked());
	_exit(t_differences ? 1 : 0);
}

static void read_exactly(const char *what, int fd, size_t len)
{
	char buf[sizeof(bytes)];
	size_t fill = 0;
	ssize_t n;

	while (fill < len && (n = read(fd, buf + fill, len - fill)) > 0)
		fill += (size_t)n;
	t_same(what, len, fill);
	if (memcmp(buf, bytes, fill) != 0)
		t_differs("%s: other bytes", what);
}

static void check_own(void)
{
	int left = 0;
	char c;

	t_same("capacity", 1 << 18, (uint64_t)fcntl(own[0], F_GETPIPE_SZ));
	t_same("flags of the reading end", O_RDONLY | O_NONBLOCK, (uint64_t)fcntl(own[0], F_GETFL));
	t_same("flags of the writing end", O_WRONLY, (uint64_t)fcntl(own[1], F_GETFL));
	t_same("close-on-exec", FD_CLOEXEC, (uint64_t)fcntl(own[0], F_GETFD));
	t_same("both ends are one pipe", (uint64_t)inode(own[0]), (uint64_t)inode(own[1]));
	t_must(ioctl(own[0], FIONREAD, &left));
	t_same("bytes in it", sizeof(bytes), (uint64_t)left);
	read_exactly("bytes read", own[0], sizeof(bytes));
	t_true("then it is empty", read(own[0], &c, 1) < 0 && errno == EAGAIN);
}

/* Who opens /dev/stdin, or /dev/fd/N of a shell, needs it. */
static void check_owner(void)
{
	struct stat st;

	t_must(fstat(empty[1], &st));
	t_same("mode", 0666, st.st_mode & 07777);
	if (geteuid() == 0)
		t_true("owner", st.st_uid == 71 && st.st_gid == 72);
}

static void check_others(void)
{
	size_t got = 0;
	char buf[4096], path[32], c = 1;
	int fd;

	read_exactly("bytes of a pipe without writer", closed_writer[0], 100);
	t_same("then its end", 0, (uint64_t)read(closed_writer[0], &c, 1));
	signal(SIGPIPE, SIG_IGN);
	t_true("a pipe without reader", write(closed_reader[1], &c, 1) < 0 && errno == EPIPE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", closed_reader[1]);
	fd = t_must(open(path, O_RDONLY | O_NONBLOCK));
	read_exactly("bytes that nobody has read", fd, 100);
	close(fd);
	t_true("a full pipe", write(full[1], buf, sizeof(buf)) < 0 && errno == EAGAIN);
	t_must(fcntl(full[0], F_SETFL, O_NONBLOCK));
	for (ssize_t n; (n = read(full[0], buf, sizeof(buf))) > 0;)
		got += (size_t)n;
	t_same("bytes in the full pipe", full_bytes, got);
	check_owner();
	t_true("an empty pipe",
	       write(empty[1], "q", 1) == 1 && read(empty[0], &c, 1) == 1 && c == 'q');
}

static void talk(uint64_t first, int rounds)
{
	uint64_t v = first, back = 0;

	for (int i = 0; i < rounds; i++, v += 10) {
		if (write(down[1], &v, sizeof(v)) != sizeof(v) ||
		    read(up[0], &back, sizeof(back)) != sizeof(back)) {
			t_differs("the child does not answer");
			return;
		}
		t_same("the child's answer", v + 1, back);
	}
}

int main(void)
{
	pid_t child;
	uint64_t v = 5000;

	t_init();
	set_up();
	child = t_must(fork());
	if (child == 0)
		child_of();
	close(down[0]);
	close(up[1]);
	talk(1, 100);
	/* One answer stays in the pipe. */
	if (write(down[1], &v, sizeof(v)) != sizeof(v))
		t_fatal("write");
	t_ready();
	if (t_spoiled() && read(own[0], &v, 1) != 1)
		t_fatal("read");
	t_wait();
	t_same("an answer that was under way", sizeof(v), (uint64_t)read(up[0], &v, sizeof(v)));
	t_same("its value", 5001, v);
	talk(900, 100);
	check_own();
	check_others();
	/* The child has every other pipe's writing end as well, but not this one. */
	close(down[1]);
	t_join_child("child", child);
	return t_done();
}

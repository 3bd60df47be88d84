/* SPDX-License-Identifier: MIT */
/*
 * A program that is run from a memfd, sealed or not, which a child runs too and
 * a descriptor refers to; and code in memfds that are mapped to be executed.
 */
#include <sys/syscall.h>

#include "target.h"

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10	/* 5.1 */
#endif
#define FD 100

/* Returns 42. */
#if defined(__x86_64__)
static const uint8_t code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
#else
#error "code that returns 42 is wanted here"
#endif

static void copy(int to)
{
	int from = t_must(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	char buf[65536];
	ssize_t n;

	while ((n = t_must(read(from, buf, sizeof(buf)))) > 0)
		t_must(write(to, buf, (size_t)n));
	close(from);
}

static int open_again(int fd)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY);
}

/* Run again, from memory. */
static void move(char **argv)
{
	int fd = t_must(memfd_create("program", MFD_ALLOW_SEALING)), again;

	copy(fd);
	if (argv[1])
		t_must(fcntl(fd, F_ADD_SEALS, ALL_SEALS));
	again = t_must(open_again(fd));
	t_must(dup2(again, FD));
	close(fd);
	close(again);
	setenv("T_MOVED", "1", 1);
	t_must(syscall(SYS_execveat, FD, "", argv, environ, AT_EMPTY_PATH));
}

struct state {
	char link[128];
	struct stat sb;
	int seals, write_error;
	uint64_t sum;
};

static void look(struct state *s)
{
	char buf[4096];
	int fd = t_must(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	ssize_t n = t_must(readlink("/proc/self/exe", s->link, sizeof(s->link) - 1));

	s->link[n] = 0;
	t_must(fstat(fd, &s->sb));
	s->seals = t_must(fcntl(fd, F_GET_SEALS));
	s->sum = 0;
	while ((n = t_must(read(fd, buf, sizeof(buf)))) > 0)
		for (ssize_t i = 0; i < n; i++)
			s->sum = t_mix(s->sum ^ (uint8_t)buf[i]);
	close(fd);
	fd = open("/proc/self/exe", O_WRONLY | O_CLOEXEC);
	s->write_error = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
}

static void compare(struct state *was)
{
	struct state is;
	struct stat sb;

	look(&is);
	t_same_str("its program", was->link, is.link);
	t_same("its mode", was->sb.st_mode, is.sb.st_mode);
	t_same("its size", (uint64_t)was->sb.st_size, (uint64_t)is.sb.st_size);
	t_same("its bytes", was->sum, is.sum);
	t_same("its seals", (uint64_t)was->seals, (uint64_t)is.seals);
	t_same("who writes to it", (uint64_t)was->write_error, (uint64_t)is.write_error);
	t_must(fstat(FD, &sb));
	t_same("a descriptor of it", is.sb.st_ino, sb.st_ino);
}

static void *map_code(int share)
{
	int fd = t_must(memfd_create("code", MFD_CLOEXEC));
	void *p;

	t_must(write(fd, code, sizeof(code)));
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, share, fd, 0);
	if (p == MAP_FAILED)
		t_fatal("mmap");
	close(fd);
	return p;
}

static uint64_t call(void *p)
{
	int (*f)(void);

	memcpy(&f, &p, sizeof(f));
	return (uint64_t)f();
}

int main(int argc, char **argv)
{
	void *shared, *private;
	struct state s;
	pid_t child;

	(void)argc;
	if (!getenv("T_MOVED"))
		move(argv);
	t_init();
	look(&s);
	shared = map_code(MAP_SHARED);
	private = map_code(MAP_PRIVATE);
	child = t_must(fork());
	if (child == 0) {
		t_wait();
		compare(&s);
		_exit(t_differences ? 1 : 0);
	}
	t_ready();
	if (t_spoiled())
		t_must(fchmod(FD, 0700));
	t_wait();
	compare(&s);
	t_same("code that is shared", 42, call(shared));
	t_same("code of its own", 42, call(private));
	t_join_child("the child", child);
	return t_done();
}

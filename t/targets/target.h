/* SPDX-License-Identifier: MIT */
/*
 * Frame of the programs that get checkpointed.
 *
 * A target sets something up, remembers what it knows about itself, calls
 * t_ready() (the file "ready" appears), goes on, and t_wait() returns when the
 * file "verify" has appeared in the directory it was started in.  It compares,
 * prints a line for each difference, and returns t_done(): 0 when there was
 * none, else 1.  With T_SPOIL in the environment it spoils its own state after
 * "ready", to show that it would notice.
 *
 * Nothing here keeps a descriptor open or uses signals.
 */
#ifndef T_TARGET_H
#define T_TARGET_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102	/* 6.13 */
#define MADV_GUARD_REMOVE 103
#endif

#define T_UNUSED __attribute__((unused))

static char t_dir[PATH_MAX];
static unsigned int t_differences;

/* A difference: one line on stdout. */
T_UNUSED __attribute__((format(printf, 1, 2))) static void t_differs(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	__atomic_add_fetch(&t_differences, 1, __ATOMIC_SEQ_CST);
	if (write(STDOUT_FILENO, line, (size_t)n) < 0)
		_exit(97);
}

/* The test itself cannot go on: exit 98. */
T_UNUSED __attribute__((noreturn, format(printf, 1, 2))) static void t_fatal(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	vdprintf(STDOUT_FILENO, fmt, ap);
	va_end(ap);
	dprintf(STDOUT_FILENO, ": %s\n", strerror(saved));
	_exit(98);
}

#define t_must(call)                                                       \
	({                                                                 \
		__typeof__(call) r_ = (call);                              \
		if (r_ == (__typeof__(call))-1)                            \
			t_fatal("%s:%d: %s", __FILE__, __LINE__, #call);   \
		r_;                                                        \
	})

/* Compare numbers; compare strings. */
T_UNUSED static void t_same(const char *what, uint64_t was, uint64_t is)
{
	if (was != is)
		t_differs("%s: was %#llx, is %#llx", what, (unsigned long long)was,
			  (unsigned long long)is);
}

T_UNUSED static void t_true(const char *what, bool ok)
{
	if (!ok)
		t_differs("%s: no", what);
}

T_UNUSED static void t_same_str(const char *what, const char *was, const char *is)
{
	if (strcmp(was, is) != 0)
		t_differs("%s: was '%s', is '%s'", what, was, is);
}

/* Compare two texts line by line, so that a difference can be read. */
T_UNUSED static void t_same_lines(const char *what, char *was, char *is)
{
	char *a = was, *b = is;

	while (*a || *b) {
		size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");

		if (la != lb || memcmp(a, b, la) != 0) {
			t_differs("%s: was '%.*s', is '%.*s'", what, (int)la, a, (int)lb, b);
			return;
		}
		a += la + (a[la] == '\n');
		b += lb + (b[lb] == '\n');
	}
}

/* A small file as text, into a buffer of the caller; for files of /proc. */
T_UNUSED static size_t t_read(const char *path, char *buf, size_t size)
{
	int fd = t_must(open(path, O_RDONLY | O_CLOEXEC));
	size_t fill = 0;
	ssize_t n;

	while (fill < size - 1 && (n = t_must(read(fd, buf + fill, size - 1 - fill))) > 0)
		fill += (size_t)n;
	close(fd);
	buf[fill] = 0;
	return fill;
}

T_UNUSED static void t_init(void)
{
	if (!getcwd(t_dir, sizeof(t_dir)))
		t_fatal("getcwd");
}

static void t_name(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s%s%s", t_dir, strcmp(t_dir, "/") == 0 ? "" : "/", name);
}

T_UNUSED static void t_touch(const char *name)
{
	char path[PATH_MAX + 32];

	t_name(path, sizeof(path), name);
	close(t_must(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666)));
}

T_UNUSED static void t_ready(void)
{
	t_touch("ready");
}

T_UNUSED static bool t_spoiled(void)
{
	return getenv("T_SPOIL") != NULL;
}

T_UNUSED static uint64_t t_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

T_UNUSED static void t_sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

T_UNUSED static bool t_seen(const char *name)
{
	char path[PATH_MAX + 32];

	t_name(path, sizeof(path), name);
	return access(path, F_OK) == 0;
}

/* Has the test asked for the comparison? */
T_UNUSED static bool t_asked(void)
{
	return t_seen("verify");
}

T_UNUSED static void t_wait(void)
{
	while (!t_asked())
		t_sleep_ms(5);
}

/* Wait for a child that verifies itself, and count what it found. */
T_UNUSED static void t_join_child(const char *what, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		t_differs("%s: pid %d is not our child: %s", what, (int)pid, strerror(errno));
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		t_differs("%s: pid %d ended with status %#x", what, (int)pid, (unsigned int)status);
}

T_UNUSED static int t_done(void)
{
	if (!t_differences) {
		dprintf(STDOUT_FILENO, "ok\n");
		return 0;
	}
	dprintf(STDOUT_FILENO, "%u differences\n", t_differences);
	return 1;
}

/* A pattern that differs for every seed and word. */
T_UNUSED static uint64_t t_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

T_UNUSED static void t_fill(void *p, size_t len, uint64_t seed)
{
	uint64_t *w = p;

	for (size_t i = 0; i < len / 8; i++)
		w[i] = t_mix(seed + i);
}

T_UNUSED static void t_check(const char *what, const void *p, size_t len, uint64_t seed)
{
	const uint64_t *w = p;

	for (size_t i = 0; i < len / 8; i++) {
		if (w[i] == t_mix(seed + i))
			continue;
		t_differs("%s: word %zu at %p is %#llx, was %#llx", what, i, (const void *)&w[i],
			  (unsigned long long)w[i], (unsigned long long)t_mix(seed + i));
		return;
	}
}

#endif

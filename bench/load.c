/* SPDX-License-Identifier: MIT */
/*
 * load KIND N: a process to measure with.  Prints "ready" on stdout, closes
 * it, and waits for ever.
 *
 *   memory N     N MiB of anonymous memory, each page different
 *   threads N    N threads that sleep
 *   processes N  N children that sleep
 *   mappings N   N mappings of a page, no two of which can be merged
 *   files N      N open files
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(111);
}

static void memory(unsigned long n)
{
	size_t size = n << 20;
	uint64_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	for (size_t i = 0; i < size / 8; i++)
		p[i] = i * 0x9e3779b97f4a7c15ull;
}

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void threads(unsigned long n)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	while (n--)
		must(pthread_create(&t, &attr, sleeper, NULL) == 0, "pthread_create");
}

static void processes(unsigned long n)
{
	while (n--) {
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (pid == 0) {
			close(STDOUT_FILENO);
			sleeper(NULL);
		}
	}
}

static void mappings(unsigned long n)
{
	char *p = mmap(NULL, 2 * n * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	for (unsigned long i = 0; i < n; i++) {
		char *at = p + 2 * i * 4096;

		must(mprotect(at, 4096, PROT_READ | PROT_WRITE) == 0, "mprotect");
		*at = (char)i;
	}
}

static void files(unsigned long n)
{
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	while (n--)
		must(open("/etc/passwd", O_RDONLY) >= 0, "open");
}

static const struct {
	const char *name;
	void (*make)(unsigned long n);
} kinds[] = {
	{ "memory", memory },	  { "threads", threads }, { "processes", processes },
	{ "mappings", mappings }, { "files", files },
};

int main(int argc, char **argv)
{
	if (argc != 3)
		return 100;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(argv[1], kinds[i].name) == 0) {
			kinds[i].make(strtoul(argv[2], NULL, 10));
			puts("ready");
			fclose(stdout);
			sleeper(NULL);
		}
	return 100;
}

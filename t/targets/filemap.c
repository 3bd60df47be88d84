/* SPDX-License-Identifier: MIT */
/*
 * Mappings of files: private ones with some pages written to, shared ones
 * (written through, visible in the file and to a child that has them too),
 * read-only, with an offset, beyond the end of the file, and with the
 * descriptor closed.
 */
#include <sys/mman.h>

#include "target.h"

#define PAGE 4096ul
#define PAGES 16ul

static uint8_t *private_map, *shared_map, *ro_map, *tail_map;
static int shared_fd;

static int make_file(const char *name, uint64_t seed, int flags)
{
	static uint8_t buf[PAGES * PAGE];
	int fd = t_must(open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)), ret;

	t_fill(buf, sizeof(buf), seed);
	if (write(fd, buf, sizeof(buf)) != (ssize_t)sizeof(buf))
		t_fatal("%s", name);
	close(fd);
	ret = t_must(open(name, flags | O_CLOEXEC));
	return ret;
}

static uint8_t *map(int fd, size_t pages, size_t from, int prot, int flags)
{
	void *p = mmap(NULL, pages * PAGE, prot, flags, fd, (off_t)(from * PAGE));

	if (p == MAP_FAILED)
		t_fatal("mmap");
	return p;
}

static void set_up(void)
{
	int fd = make_file("private", 100, O_RDONLY);

	private_map = map(fd, PAGES - 2, 2, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	for (size_t i = 0; i < PAGES - 2; i += 3)
		t_fill(private_map + i * PAGE, PAGE, 7000 + i);
	close(fd);
	shared_fd = make_file("shared", 200, O_RDWR);
	shared_map = map(shared_fd, PAGES, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
	t_fill(shared_map + PAGE, PAGE, 8000);
	fd = make_file("readonly", 300, O_RDONLY);
	ro_map = map(fd, PAGES, 0, PROT_READ, MAP_SHARED);
	close(fd);
	fd = make_file("tail", 400, O_RDWR);
	t_must(ftruncate(fd, PAGE + 100));
	tail_map = map(fd, 4, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
	close(fd);
}

static void compare(const char *who)
{
	char what[64];

	for (size_t i = 0; i < PAGES - 2; i++) {
		snprintf(what, sizeof(what), "%s: private page %zu", who, i);
		t_check(what, private_map + i * PAGE, PAGE,
			i % 3 == 0 ? 7000 + i : 100 + (i + 2) * PAGE / 8);
	}
	for (size_t i = 0; i < PAGES; i++) {
		snprintf(what, sizeof(what), "%s: shared page %zu", who, i);
		t_check(what, shared_map + i * PAGE, PAGE, i == 1 ? 8000 : 200 + i * PAGE / 8);
	}
	t_check("read-only", ro_map, PAGES * PAGE, 300);
	t_true("read-only stays so", mprotect(ro_map, PAGE, PROT_READ | PROT_WRITE) < 0);
	t_check("tail", tail_map, PAGE, 400);
	t_same("tail beyond the end", 0, tail_map[PAGE + 100]);
}

/* What is written through the mapping is in the file, and the other way. */
static void write_through(void)
{
	uint64_t v = 0, w = 42;

	*(uint64_t *)(shared_map + 5 * PAGE) = 43;
	if (pread(shared_fd, &v, 8, 5 * PAGE) != 8 || v != 43)
		t_differs("shared: a write to the mapping is not in the file");
	if (pwrite(shared_fd, &w, 8, 6 * PAGE) != 8 ||
	    *(volatile uint64_t *)(shared_map + 6 * PAGE) != 42)
		t_differs("shared: a write to the file is not in the mapping");
	/* As before, for the next restore. */
	t_fill(shared_map + 5 * PAGE, PAGE, 200 + 5 * PAGE / 8);
	t_fill(shared_map + 6 * PAGE, PAGE, 200 + 6 * PAGE / 8);
}

int main(void)
{
	pid_t child;

	t_init();
	set_up();
	child = t_must(fork());
	if (child == 0) {
		t_wait();
		compare("child");
		_exit(t_differences ? 1 : 0);
	}
	t_ready();
	if (t_spoiled())
		private_map[3 * PAGE]++;
	t_wait();
	t_join_child("child", child);
	compare("parent");
	write_through();
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * Private memory that processes share copy-on-write: a child, a grandchild
 * whose parent has gone, and one whose parent lives.  Some pages are written in
 * the parent, some in the children; ranges are moved, cut, protected, locked;
 * there are pages of zeros, a huge page perhaps, written pages of a private
 * file mapping, heap and stack, and one range that each has in its own way: cut,
 * mapped anew, grown.  All of them compare all bytes.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "target.h"

#define PAGE 4096ul
#define PAGES 1024ul
#define HUGE (2ul << 20)

static uint8_t *plain, *moved, *file, *huge, *heap, *own;
static uint8_t *own_from;
static size_t own_pages = 32;
static uint8_t stack_seed = 7;

static uint8_t *make(size_t pages, int fd)
{
	uint8_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (p == MAP_FAILED)
		t_fatal("mmap");
	return p;
}

static void begin(void)
{
	int fd = t_must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	t_must(ftruncate(fd, 64 * PAGE));
	plain = make(PAGES, -1);
	t_fill(plain, PAGES * PAGE, 1);
	memset(plain + 100 * PAGE, 0, 50 * PAGE);
	moved = make(64, -1);
	t_fill(moved, 64 * PAGE, 2);
	file = make(64, fd);
	t_fill(file + 16 * PAGE, 16 * PAGE, 3);
	memset(file + 20 * PAGE, 0, PAGE);
	close(fd);
	huge = make(2 * HUGE / PAGE, -1);
	huge = (uint8_t *)(((uintptr_t)huge + HUGE - 1) & ~(HUGE - 1));
	madvise(huge, HUGE, MADV_HUGEPAGE);
	t_fill(huge, HUGE, 4);
	heap = malloc(64 * PAGE);
	t_fill(heap, 64 * PAGE, 5);
	own = own_from = make(64, -1);
	t_must(munmap(own + 32 * PAGE, 32 * PAGE));
	t_fill(own, 32 * PAGE, 6);
}

/* Every @step-th page gets bytes of @who. */
static void scribble(unsigned int who, size_t step)
{
	for (size_t i = who; i < PAGES; i += step)
		memset(plain + i * PAGE, (int)who, PAGE);
	huge[who * PAGE] = (uint8_t)who;
	file[(16 + who) * PAGE] = (uint8_t)who;
	heap[8 * who * PAGE] = (uint8_t)who;
}

struct seen {
	uint8_t *copy;
	size_t size;
	uint8_t *of;
};

static void keep(struct seen *s, uint8_t *of, size_t size)
{
	*s = (struct seen){ .copy = malloc(size), .size = size, .of = of };
	memcpy(s->copy, of, size);
}

static void same(unsigned int who, const char *what, const struct seen *s)
{
	for (size_t i = 0; i < s->size; i++)
		if (s->copy[i] != s->of[i]) {
			t_differs("process %u: %s: byte %zu is %u, not %u", who, what, i, s->of[i],
				  s->copy[i]);
			return;
		}
}

/* The place of the moved range, and what the child does with others. */
static void shift(unsigned int who)
{
	uint8_t *at = make(64, -1), *got;

	got = mremap(moved, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at);
	if (got != at)
		t_fatal("mremap");
	moved = at;
	t_must(mprotect(plain + 512 * PAGE, 16 * PAGE, who == 1 ? PROT_NONE : PROT_READ));
	t_must(mlock(plain + 600 * PAGE, 8 * PAGE));
	t_must(munmap(plain + (700 + who * 8) * PAGE, 8 * PAGE));
	t_must(madvise(plain + (800 + who * 8) * PAGE, 8 * PAGE, MADV_DONTNEED));
}

static void map_at(uint8_t *at, size_t pages, int fd)
{
	if (mmap(at, pages * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0) != at)
		t_fatal("mmap");
}

/* The range is what it was in the middle, and something else around that. */
static void make_own(unsigned int who)
{
	int fd = t_must(open("file", O_RDWR | O_CLOEXEC));

	switch (who) {
	case 0: /* the others still have the pages that go */
		own_from += 4 * PAGE;
		own_pages = 28;
		t_must(munmap(own, 4 * PAGE));
		memset(own + 12 * PAGE, 9, PAGE);
		break;
	case 1: /* a file's pages, some of them written, and untouched ones */
		map_at(own + 4 * PAGE, 8, fd);
		memset(own + 6 * PAGE, 10, PAGE);
		map_at(own + 20 * PAGE, 8, -1);
		t_must(madvise(file + 24 * PAGE, 4 * PAGE, MADV_DONTNEED));
		break;
	case 2: /* pages alike, that are not those of the others */
		map_at(own, 8, -1);
		t_fill(own, 6 * PAGE, 6);
		t_must(mprotect(own + 16 * PAGE, 4 * PAGE, PROT_READ));
		break;
	default: /* longer and shorter */
		if (mmap(own + 32 * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			 0) == own + 32 * PAGE) {
			t_fill(own + 36 * PAGE, PAGE, 8);
			own_pages = 40;
		}
		map_at(own + 8 * PAGE, 2, -1);
		break;
	}
	close(fd);
}

/* When all others are. */
static void be_ready(int fd)
{
	char c;

	for (int i = 0; i < 3; i++)
		if (t_must(read(fd, &c, 1)) != 1)
			t_fatal("the pipe ended");
	t_ready();
}

/* Compare in a copy that is made now: what is shared stays so until then. */
static void live(unsigned int who, int fd)
{
	const size_t cut = who ? (700 + who * 8) : PAGES;
	uint8_t local[2 * PAGE];
	struct seen s[8];

	memset(local, stack_seed, sizeof(local));
	if (who)
		t_must(mprotect(plain + 512 * PAGE, 16 * PAGE, PROT_READ));
	keep(&s[0], plain, cut * PAGE);
	keep(&s[1], moved, 64 * PAGE);
	keep(&s[2], file, 64 * PAGE);
	keep(&s[3], huge, HUGE);
	keep(&s[4], heap, 64 * PAGE);
	keep(&s[5], plain + (cut + 8) % PAGES * PAGE, who ? (PAGES - cut - 8) * PAGE : PAGE);
	keep(&s[6], local, sizeof(local));
	keep(&s[7], own_from, own_pages * PAGE);
	if (who == 1)
		t_must(mprotect(plain + 512 * PAGE, 16 * PAGE, PROT_NONE));
	if (who)
		t_must(write(fd, "+", 1));
	else
		be_ready(fd);
	if (!who && t_spoiled())
		plain[5 * PAGE]++;
	t_wait();
	if (who == 1)
		t_must(mprotect(plain + 512 * PAGE, 16 * PAGE, PROT_READ));
	same(who, "memory", &s[0]);
	same(who, "moved memory", &s[1]);
	same(who, "file mapping", &s[2]);
	same(who, "huge page", &s[3]);
	same(who, "heap", &s[4]);
	same(who, "memory behind the hole", &s[5]);
	same(who, "stack", &s[6]);
	same(who, "range of its own", &s[7]);
}

static void child(unsigned int who, size_t step, int fd)
{
	scribble(who, step);
	shift(who);
	make_own(who);
	live(who, fd);
}

static void leave(void)
{
	_exit(t_differences != 0);
}

int main(void)
{
	pid_t first, middle, orphan;
	int fd[2], status;

	t_init();
	t_must(pipe(fd));
	t_must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	begin();
	first = t_must(fork());
	if (first == 0) {
		scribble(1, 50);
		pid_t second = t_must(fork());

		if (second == 0) {
			child(2, 90, fd[1]);
			leave();
		}
		child(1, 70, fd[1]);
		t_join_child("the grandchild", second);
		leave();
	}
	middle = t_must(fork());
	if (middle == 0) {
		scribble(3, 60);
		if (t_must(fork()) == 0) {
			child(3, 80, fd[1]);
			leave();
		}
		_exit(0);
	}
	t_join_child("the one in between", middle);
	scribble(4, 100);
	make_own(0);
	live(0, fd[0]);
	orphan = t_must(wait(&status));
	if (orphan == first)
		orphan = -1;
	else
		t_join_child("the child", first);
	if (status)
		t_differs("a child ended with status %#x", (unsigned int)status);
	if (orphan < 0 && (wait(&status) < 0 || status))
		t_differs("the orphan ended with status %#x", (unsigned int)status);
	return t_done();
}

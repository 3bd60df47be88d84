/* SPDX-License-Identifier: MIT */
/*
 * Private memory of processes that fork by chance: forest SEED.  Each writes,
 * drops, cuts, moves, protects and replaces ranges of what it was born with, and
 * of what it has made itself, and forks; some end before their children do.  A
 * process knows what every page of it should hold, and compares all of them.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "target.h"

#define PAGE 4096ul
#define AREAS 12
#define PAGES 200		/* of an area, at most */
#define PROCESSES 14
#define STEPS 25		/* between two forks */
#define FILE_TAG 0x80000000u	/* and the page of the file */

enum { GONE = 1 };

/* What is at a page: 0 zeros, GONE nothing, else the seed of its bytes. */
struct area {
	uint8_t *at;
	unsigned int pages;	/* 0: there is none */
	bool file;
	uint32_t tag[PAGES];
	uint8_t prot[PAGES];
};

/* Seen by all of them. */
struct shared {
	unsigned int born, ready;
};

static struct area areas[AREAS];
static struct shared *shared;
static uint64_t state;
static uint32_t last_tag;
static int file;

static unsigned int chance(unsigned int below)
{
	state = t_mix(state);
	return (unsigned int)(state >> 33) % below;
}

static uint32_t file_tag(unsigned int page)
{
	return FILE_TAG | (page + 2);
}

static void write_page(uint8_t *p, uint32_t tag)
{
	if (tag)
		t_fill(p, PAGE, (uint64_t)tag << 20);
	else
		memset(p, 0, PAGE);
}

static void new_area(struct area *a)
{
	a->pages = 1 + chance(PAGES);
	a->file = chance(4) == 0;
	a->at = mmap(NULL, a->pages * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | (a->file ? 0 : MAP_ANONYMOUS), a->file ? file : -1, 0);
	if (a->at == MAP_FAILED)
		t_fatal("mmap");
	for (unsigned int i = 0; i < a->pages; i++) {
		a->tag[i] = a->file ? file_tag(i) : 0;
		a->prot[i] = PROT_READ | PROT_WRITE;
	}
}

struct range {
	struct area *a;
	unsigned int from, to;
};

static struct range some_range(struct area *a)
{
	unsigned int from = chance(a->pages), n = 1 + chance(chance(3) ? 12 : a->pages);

	return (struct range){ a, from, from + n < a->pages ? from + n : a->pages };
}

static void write_range(struct range r)
{
	bool zero = chance(8) == 0;

	for (unsigned int i = r.from; i < r.to; i++) {
		if (r.a->tag[i] == GONE || r.a->prot[i] != (PROT_READ | PROT_WRITE))
			continue;
		r.a->tag[i] = zero ? 0 : (last_tag += 2);
		write_page(r.a->at + i * PAGE, r.a->tag[i]);
	}
}

static void drop_range(struct range r)
{
	for (unsigned int i = r.from; i < r.to; i++) {
		if (r.a->tag[i] == GONE)
			continue;
		t_must(madvise(r.a->at + i * PAGE, PAGE, MADV_DONTNEED));
		r.a->tag[i] = r.a->file ? file_tag(i) : 0;
	}
}

/* In a hole there may be another area by now. */
static void cut_range(struct range r)
{
	for (unsigned int i = r.from; i < r.to; i++) {
		if (r.a->tag[i] != GONE)
			t_must(munmap(r.a->at + i * PAGE, PAGE));
		r.a->tag[i] = GONE;
	}
}

static void protect_range(struct range r)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	int prot = prots[chance(3)];

	for (unsigned int i = r.from; i < r.to; i++) {
		if (r.a->tag[i] == GONE)
			continue;
		t_must(mprotect(r.a->at + i * PAGE, PAGE, prot));
		r.a->prot[i] = (uint8_t)prot;
	}
}

/* Other memory at the same place, of nobody else. */
static void replace_range(struct range r)
{
	if (r.a->file)
		return;
	for (unsigned int i = r.from; i < r.to; i++) {
		if (r.a->tag[i] == GONE)
			continue;
		if (mmap(r.a->at + i * PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			t_fatal("mmap");
		r.a->tag[i] = 0;
		r.a->prot[i] = PROT_READ | PROT_WRITE;
	}
	write_range(r);
}

/* Page by page, for its mappings may be many; what is not there stays away. */
static void move_area(struct area *a)
{
	uint8_t *to = mmap(NULL, a->pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (to == MAP_FAILED)
		t_fatal("mmap");
	for (unsigned int i = 0; i < a->pages; i++) {
		if (a->tag[i] == GONE)
			t_must(munmap(to + i * PAGE, PAGE));
		else if (mremap(a->at + i * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				to + i * PAGE) == MAP_FAILED)
			t_fatal("mremap");
	}
	a->at = to;
}

static void forget_area(struct area *a)
{
	cut_range((struct range){ a, 0, a->pages });
	a->pages = 0;
}

static void step(void)
{
	struct area *a = &areas[chance(AREAS)];

	if (!a->pages) {
		new_area(a);
		write_range(some_range(a));
		return;
	}
	switch (chance(16)) {
	case 0:
		cut_range(some_range(a));
		break;
	case 1:
		drop_range(some_range(a));
		break;
	case 2:
	case 3:
		protect_range(some_range(a));
		break;
	case 4:
		replace_range(some_range(a));
		break;
	case 5:
		if (chance(3) == 0)
			move_area(a);
		break;
	case 6:
		if (chance(4) == 0)
			forget_area(a);
		break;
	case 7:
		madvise(a->at, a->pages * PAGE, chance(2) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		break;
	default:
		write_range(some_range(a));
	}
}

/* Also whether a protection is what it was: the kernel answers for each page. */
static bool is_readable(const uint8_t *p)
{
	static int fd[2] = { -1, -1 };
	char c;

	if (fd[0] < 0)
		t_must(pipe(fd));
	if (write(fd[1], p, 1) != 1)
		return false;
	t_must(read(fd[0], &c, 1));
	return true;
}

static void check_page(const struct area *a, unsigned int i)
{
	uint8_t *p = a->at + i * PAGE;
	uint8_t want[PAGE];
	char what[80];

	if (a->tag[i] == GONE)
		return;
	snprintf(what, sizeof(what), "pid %d: %s page %u", (int)getpid(),
		 a->file ? "file" : "plain", i);
	if (is_readable(p) != (a->prot[i] != PROT_NONE)) {
		t_differs("%s: has another protection", what);
		return;
	}
	if (a->prot[i] == PROT_NONE)
		t_must(mprotect(p, PAGE, PROT_READ));
	write_page(want, a->tag[i]);
	if (memcmp(want, p, PAGE) != 0)
		t_differs("%s: has %#llx where it had %#llx", what,
			  (unsigned long long)*(uint64_t *)p,
			  (unsigned long long)*(uint64_t *)want);
	if (a->prot[i] == PROT_NONE)
		t_must(mprotect(p, PAGE, PROT_NONE));
}

static void check(void)
{
	for (unsigned int k = 0; k < AREAS; k++)
		for (unsigned int i = 0; i < areas[k].pages; i++)
			check_page(&areas[k], i);
}

static void join_children(void)
{
	int status;

	while (wait(&status) > 0)
		if (status)
			t_differs("a child ended with status %#x", (unsigned int)status);
}

/* Its steps, its children, and what they do after it. */
static void live(void)
{
	bool root = shared->born == 1;

	for (unsigned int rounds = 1 + chance(4); rounds; rounds--) {
		for (unsigned int n = chance(STEPS); n; n--)
			step();
		if (__atomic_load_n(&shared->born, __ATOMIC_SEQ_CST) >= PROCESSES)
			break;
		unsigned int number = __atomic_fetch_add(&shared->born, 1, __ATOMIC_SEQ_CST);
		pid_t pid = t_must(fork());

		if (pid == 0) {
			root = false;
			state = t_mix(state ^ number << 8);
			last_tag = number << 24;
		}
	}
	if (!root && chance(6) == 0) {
		__atomic_fetch_add(&shared->ready, 1, __ATOMIC_SEQ_CST);
		_exit(0);	/* its children are the root's from now on */
	}
	if (root && t_spoiled())
		areas[0].tag[0] ^= 8;
	__atomic_fetch_add(&shared->ready, 1, __ATOMIC_SEQ_CST);
	while (root && __atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) !=
			       __atomic_load_n(&shared->born, __ATOMIC_SEQ_CST))
		t_sleep_ms(2);
	if (root)
		t_ready();
	t_wait();
	check();
	join_children();
	if (!root)
		_exit(t_differences != 0);
}

int main(int argc, char **argv)
{
	uint8_t page[PAGE];

	t_init();
	state = t_mix(argc > 1 ? strtoull(argv[1], NULL, 10) : 1);
	t_must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		t_fatal("mmap");
	shared->born = 1;
	file = t_must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	for (unsigned int i = 0; i < PAGES; i++) {
		write_page(page, file_tag(i));
		if (t_must(write(file, page, PAGE)) != (ssize_t)PAGE)
			t_fatal("write");
	}
	new_area(&areas[0]);
	write_range((struct range){ &areas[0], 0, areas[0].pages });
	live();
	return t_done();
}

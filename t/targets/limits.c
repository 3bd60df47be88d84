/* SPDX-License-Identifier: MIT */
/*
 * limits WORD...
 *
 * A process that can have no more of something: resources at their limits, an
 * address space or a list of mappings that is full, a vDSO that was moved, taken
 * away or protected.  It compares its limits, its mappings and its handler for
 * SIGSEGV.
 */
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "no-vdso.h"

#define PAGE 4096ul
#define NOBODY 65534
#define LIMITS RLIM_NLIMITS

struct state {
	struct rlimit limit[LIMITS];
	uint64_t maps;	/* hash */
	uint64_t lines;
};

static volatile sig_atomic_t faults;

static void on_fault(int sig)
{
	faults += sig == SIGSEGV;
}

static void limit_to(int which, rlim_t soft)
{
	struct rlimit l;

	t_must(getrlimit(which, &l));
	l.rlim_cur = soft;
	t_must(setrlimit(which, &l));
}

static void *no_access(void *at, size_t size)
{
	return mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* Where its vDSO is, and how large. */
static void *vdso(size_t *size)
{
	uint8_t *at = (uint8_t *)getauxval(AT_SYSINFO_EHDR);
	static uint8_t byte[64];

	*size = 0;
	while (mincore(at + *size, PAGE, byte) == 0 && *size < 2 * PAGE)
		*size += PAGE;
	return at;
}

static void move_vdso(void)
{
	size_t size;
	void *from = vdso(&size), *to = no_access(NULL, size);

	if (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		t_fatal("mremap");
}

static void unmap_vdso(void)
{
	unmap_named("[vdso]");
}

static void unmap_vvar(void)
{
	unmap_named("[vvar");
}

static void protect_vdso(void)
{
	size_t size;
	void *at = vdso(&size);

	t_must(mprotect(at, size, PROT_READ));
}

static void fill_space(void)
{
	for (size_t size = 1ul << 46; size >= PAGE; size /= 2)
		while (no_access(NULL, size) != MAP_FAILED)
			;
}

/* No two that are side by side are alike. */
static void fill_list(void)
{
	void *p = NULL;

	for (int prot = PROT_READ; p != MAP_FAILED; prot ^= PROT_WRITE)
		p = mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void become_nobody(void)
{
	t_must(setgid(NOBODY));
	t_must(setuid(NOBODY));
	/* So that it can be looked at as before. */
	t_must(prctl(PR_SET_DUMPABLE, 1));
}

static void lock_all(void)
{
	t_must(mlockall(MCL_CURRENT | MCL_FUTURE));
}

static void space(void)
{
	limit_to(RLIMIT_AS, PAGE);
}

static void data(void)
{
	limit_to(RLIMIT_DATA, 0);
}

static void stack(void)
{
	limit_to(RLIMIT_STACK, 0);
}

static void processes(void)
{
	limit_to(RLIMIT_NPROC, 0);
}

static void file_size(void)
{
	limit_to(RLIMIT_FSIZE, 0);
}

static void files(void)
{
	limit_to(RLIMIT_NOFILE, 0);
}

static void locked(void)
{
	limit_to(RLIMIT_MEMLOCK, 0);
}

static void pending(void)
{
	limit_to(RLIMIT_SIGPENDING, 0);
}

static const struct {
	const char *name;
	void (*set)(void);
} words[] = {
	{ "nobody", become_nobody }, { "as", space },	       { "data", data },
	{ "stack", stack },	     { "nproc", processes },   { "fsize", file_size },
	{ "nofile", files },	     { "memlock", locked },    { "sigpending", pending },
	{ "lockall", lock_all },     { "full", fill_space },   { "maps", fill_list },
	{ "movevdso", move_vdso },   { "novdso", unmap_vdso }, { "protvdso", protect_vdso },
	{ "novvar", unmap_vvar },
};

static void set(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].name, word) == 0) {
			words[i].set();
			return;
		}
	t_fatal("%s: no such word", word);
}

/* The heap's and the stack's sizes are their own affair. */
static void look(struct state *s, int maps)
{
	static char buf[4096];
	ssize_t n;

	for (int i = 0; i < LIMITS; i++)
		t_must(getrlimit((unsigned int)i, &s->limit[i]));
	s->maps = 0;
	s->lines = 0;
	t_must(lseek(maps, 0, SEEK_SET));
	while ((n = t_must(read(maps, buf, sizeof(buf)))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			s->maps = t_mix(s->maps + (uint8_t)buf[i]);
			s->lines += buf[i] == '\n';
		}
}

static void compare(const struct state *was, const struct state *is)
{
	char what[32];

	for (int i = 0; i < LIMITS; i++) {
		snprintf(what, sizeof(what), "limit %d", i);
		t_same(what, was->limit[i].rlim_cur, is->limit[i].rlim_cur);
		t_same(what, was->limit[i].rlim_max, is->limit[i].rlim_max);
	}
	t_same("mappings", was->lines, is->lines);
	t_same("text of the mappings", was->maps, is->maps);
	raise(SIGSEGV);
	t_same("handler of SIGSEGV", 1, (uint64_t)faults);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_fault };
	static struct state was, is;
	int maps;

	t_init();
	sigaction(SIGSEGV, &sa, NULL);
	maps = t_must(open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
	for (int i = 1; i < argc; i++)
		set(argv[i]);
	look(&was, maps);
	/* What needs no descriptor: there may be none. */
	t_must(symlink(".", "ready"));
	if (t_spoiled())
		limit_to(RLIMIT_RSS, 12345);
	t_wait();
	look(&is, maps);
	/* So that it can be told. */
	limit_to(RLIMIT_FSIZE, is.limit[RLIMIT_FSIZE].rlim_max);
	compare(&was, &is);
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * Memory of hugetlbfs in all its forms: hugetlb [SHIFT] [few|one].  SHIFT is that of
 * the size of its pages, 21 or 30; "few" does with five pages, "one" with a single one.
 */
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>

#include "target.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10	/* 5.1 */
#endif
#define PAGE 4096ul
#define END (huge - 64)	/* the last words of a page */

static unsigned long huge = 2ul << 20;
static int size_flag = 21 << 26;

static uint8_t *map(size_t pages, int prot, int flags, int fd, size_t first)
{
	void *p = mmap(NULL, pages * huge, prot, flags, fd, (off_t)(first * huge));

	return p == MAP_FAILED ? t_fatal("mmap of %zu huge pages", pages), NULL : p;
}

static uint8_t *map_anon(size_t pages, int flags)
{
	return map(pages, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_HUGETLB | size_flag | flags,
		   -1, 0);
}

/* A bit for each page that the process has mapped. */
static uint64_t present(const uint8_t *p, size_t pages)
{
	int fd = t_must(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	uint64_t mask = 0, entry;

	for (size_t i = 0; i < pages; i++) {
		t_must(pread(fd, &entry, 8, (off_t)(((uintptr_t)p + i * huge) / PAGE * 8)));
		mask |= (entry >> 63) << i;
	}
	close(fd);
	return mask;
}

static void same_present(const char *what, uint64_t was, const uint8_t *p, size_t pages)
{
	uint64_t is = present(p, pages);

	if (is != was)
		t_differs("%s: pages %#llx, were %#llx", what, (unsigned long long)is,
			  (unsigned long long)was);
}

/* The lines of smaps that say what a mapping is. */
static void kind_of(const uint8_t *p, char *out, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512], *flags;
	unsigned long at, end;
	size_t fill = 0;
	bool in = false;

	out[0] = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &at, &end) == 2 && strchr(line, ':')) {
			in = at <= (uintptr_t)p && end > (uintptr_t)p;
			flags = strchr(line, ' ');
			if (in)
				fill = (size_t)snprintf(out, size, "%lx-%lx %.4s", at, end,
							flags + 1);
		} else if (in && (strncmp(line, "VmFlags", 7) == 0 ||
				  strncmp(line, "KernelPageSize", 14) == 0)) {
			fill += (size_t)snprintf(out + fill, size - fill, "%s", line);
		}
	}
	if (f)
		fclose(f);
}

/* --- private anonymous --- */

static uint8_t *own, *loose, *none;
static char kinds[8][512];

static void make_private(void)
{
	own = map_anon(5, MAP_PRIVATE);
	t_fill(own, huge, 1);
	own[huge] = 0;	/* a page of zeros */
	t_fill(own + 3 * huge + END, 64, 2);
	t_fill(own + 4 * huge, PAGE, 3);
	t_must(mprotect(own + 3 * huge, huge, PROT_READ));
	t_must(madvise(own + 4 * huge, huge, MADV_DONTFORK));
	loose = map_anon(3, MAP_PRIVATE | MAP_NORESERVE);
	t_fill(loose + huge, PAGE, 4);
	none = map_anon(3, MAP_PRIVATE);
	t_fill(none, PAGE, 5);
	t_fill(none + 2 * huge, PAGE, 6);
	t_must(munmap(none + huge, huge));
	t_must(mprotect(none, huge, PROT_NONE));
	kind_of(own, kinds[0], sizeof(kinds[0]));
	kind_of(own + 3 * huge, kinds[1], sizeof(kinds[1]));
	kind_of(own + 4 * huge, kinds[2], sizeof(kinds[2]));
	kind_of(loose, kinds[3], sizeof(kinds[3]));
	kind_of(none, kinds[4], sizeof(kinds[4]));
	kind_of(none + 2 * huge, kinds[5], sizeof(kinds[5]));
}

static void same_kind(const char *what, const uint8_t *p, const char *was)
{
	char is[512];

	kind_of(p, is, sizeof(is));
	t_same_str(what, was, is);
}

static void check_private(void)
{
	static const uint8_t zeros[64];

	same_present("private pages", 0x1b, own, 5);
	same_present("pages that are not reserved", 2, loose, 3);
	same_present("pages behind a hole", 1, none + 2 * huge, 1);
	same_kind("private pages", own, kinds[0]);
	same_kind("a page that is read", own + 3 * huge, kinds[1]);
	same_kind("a page that is not for children", own + 4 * huge, kinds[2]);
	same_kind("pages that are not reserved", loose, kinds[3]);
	same_kind("a page without access", none, kinds[4]);
	same_kind("a page behind a hole", none + 2 * huge, kinds[5]);
	t_check("a private page", own, huge, 1);
	t_true("zeros", !memcmp(own + huge, zeros, 64) && !memcmp(own + 2 * huge - 64, zeros, 64));
	t_check("the end of a page", own + 3 * huge + END, 64, 2);
	t_true("zeros before it", !memcmp(own + 3 * huge, zeros, 64));
	t_check("another page", own + 4 * huge, PAGE, 3);
	t_check("a page that is not reserved", loose + huge, PAGE, 4);
	t_must(mprotect(none, huge, PROT_READ));
	t_check("a page without access", none, PAGE, 5);
	t_must(mprotect(none, huge, PROT_NONE));
	t_check("a page behind a hole", none + 2 * huge, PAGE, 6);
	t_true("the hole",
	       mmap(none + huge, huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		    -1, 0) == none + huge);
	t_must(munmap(none + huge, huge));
	/* What is reserved can be had. */
	own[2 * huge] = 1;
	t_must(madvise(own + 2 * huge, huge, MADV_DONTNEED));
}

/* --- shared --- */

static uint8_t *both, *alone, *mapped, *copy, *sealed;
static int memfd, full, holes, written, ro;
static struct stat sb_memfd, sb_full, sb_holes;

static int make_memfd(const char *name, size_t pages)
{
	int fd = t_must(
		memfd_create(name, MFD_HUGETLB | MFD_ALLOW_SEALING | (unsigned int)size_flag));

	t_must(ftruncate(fd, (off_t)(pages * huge)));
	return fd;
}

static void fill_file(int fd, size_t page, uint64_t seed)
{
	uint8_t *p = map(1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, page);

	t_fill(p + PAGE, PAGE, seed);
	t_must(munmap(p, huge));
}

static void check_file(const char *what, int fd, size_t page, uint64_t seed)
{
	uint8_t bytes[2 * PAGE], zeros[PAGE] = { 0 };

	t_must(pread(fd, bytes, sizeof(bytes), (off_t)(page * huge)));
	t_check(what, bytes + PAGE, PAGE, seed);
	t_true("zeros before it", !memcmp(bytes, zeros, PAGE));
}

static void check_memfd(const char *what, int fd, const struct stat *was, const char *name)
{
	char path[40], target[64] = "";
	struct stat is;

	t_must(fstat(fd, &is));
	t_same(what, (uint64_t)was->st_size, (uint64_t)is.st_size);
	t_same("blocks", (uint64_t)was->st_blocks, (uint64_t)is.st_blocks);
	t_same("size of blocks", (uint64_t)was->st_blksize, (uint64_t)is.st_blksize);
	t_same("mode", was->st_mode, is.st_mode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	t_must(readlink(path, target, sizeof(target) - 1));
	t_same_str("name", name, target);
}

static void make_shared(void)
{
	both = map_anon(3, MAP_SHARED);
	t_fill(both, PAGE, 10);
	alone = map_anon(2, MAP_SHARED | MAP_NORESERVE);
	t_fill(alone + huge, PAGE, 11);
	kind_of(alone, kinds[6], sizeof(kinds[6]));
	memfd = make_memfd("mapped", 3);
	fill_file(memfd, 0, 12);
	fill_file(memfd, 1, 13);
	mapped = map(2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memfd, 1);
	copy = map(3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, memfd, 0);
	t_fill(copy, PAGE, 14);
	t_must(fstat(memfd, &sb_memfd));
	holes = make_memfd("not mapped", 3);
	fill_file(holes, 1, 15);
	t_must(fchmod(holes, 0640));
	t_must(fcntl(holes, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
	t_must(lseek(holes, 12345, SEEK_SET));
	t_must(fstat(holes, &sb_holes));
	full = make_memfd("full", 2);
	t_must(fallocate(full, 0, 0, (off_t)(2 * huge)));
	t_must(fstat(full, &sb_full));
	written = make_memfd("sealed", 1);
	fill_file(written, 0, 16);
	sealed = map(1, PROT_READ | PROT_WRITE, MAP_SHARED, written, 0);
	t_must(fcntl(written, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SEAL));
	ro = t_must(memfd_create("without seals", MFD_HUGETLB | (unsigned int)size_flag));
}

static void check_shared(void)
{
	same_present("shared pages that nobody touched", 0, alone, 1);
	same_kind("shared pages that are not reserved", alone, kinds[6]);
	t_check("shared with a child", both, PAGE, 10);
	t_check("written by the child", both + huge, PAGE, 20);
	t_check("shared with nobody", alone + huge, PAGE, 11);
	t_check("a memfd", mapped + PAGE, PAGE, 13);
	check_memfd("memfd", memfd, &sb_memfd, "/memfd:mapped (deleted)");
	t_check("a copy of its page", copy, PAGE, 14);
	same_present("copies", 1, copy, 1);
	check_file("behind the copy", memfd, 0, 12);
	mapped[PAGE] ^= 1;
	t_true("the rest is no copy", mapped[PAGE] == copy[huge + PAGE]);
	mapped[PAGE] ^= 1;
	check_memfd("memfd without a mapping", holes, &sb_holes, "/memfd:not mapped (deleted)");
	check_file("its page", holes, 1, 15);
	t_same("its seals", F_SEAL_WRITE | F_SEAL_SHRINK, (uint64_t)fcntl(holes, F_GET_SEALS));
	t_same("its position", 12345, (uint64_t)lseek(holes, 0, SEEK_CUR));
	check_memfd("memfd of zeros", full, &sb_full, "/memfd:full (deleted)");
	check_file("a sealed memfd", written, 0, 16);
	sealed[0] = 1;
	sealed[0] = 0;
	t_same("its seals", F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SEAL,
	       (uint64_t)fcntl(written, F_GET_SEALS));
	t_same("without seals", F_SEAL_SEAL, (uint64_t)fcntl(ro, F_GET_SEALS));
}

/* --- System V --- */

static uint8_t *segment, *part;
static int segment_id, part_id;

static uint8_t *make_segment(size_t size, int *id)
{
	void *p;

	*id = t_must(shmget(IPC_PRIVATE, size, IPC_CREAT | SHM_HUGETLB | size_flag | 0600));
	p = shmat(*id, NULL, 0);
	return p == (void *)-1 ? t_fatal("shmat"), NULL : p;
}

static void make_sysv(void)
{
	segment = make_segment(huge + 100, &segment_id);
	/* Behind its size, and in its last page. */
	t_fill(segment + 2 * huge - PAGE, PAGE, 30);
	part = make_segment(3 * huge, &part_id);
	t_must(shmctl(part_id, IPC_RMID, NULL));
	t_fill(part + huge, PAGE, 31);
	t_must(munmap(part, huge));
	t_must(mprotect(part + 2 * huge, huge, PROT_READ));
}

static void check_sysv(void)
{
	struct shmid_ds ds;

	t_must(shmctl(segment_id, IPC_STAT, &ds));
	t_same("size of a segment", huge + 100, ds.shm_segsz);
	t_check("its last page", segment + 2 * huge - PAGE, PAGE, 30);
	same_present("its first page", 0, segment, 1);
	t_check("a part of a segment", part + huge, PAGE, 31);
	t_must(shmdt(part));
	t_same("it is gone", (uint64_t)-1, (uint64_t)shmctl(part_id, IPC_STAT, &ds));
	t_must(shmdt(segment));
	t_must(shmctl(segment_id, IPC_RMID, NULL));
}

/* --- files --- */

static uint8_t *shared_file, *private_file, *ghost;
static int named, ghost_fd, lone_fd;
static struct stat sb_lone, sb_named;

static int make_file(const char *path, size_t pages)
{
	int fd = t_must(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	t_must(ftruncate(fd, (off_t)(pages * huge)));
	return fd;
}

static void make_files(void)
{
	char options[40];

	snprintf(options, sizeof(options), "pagesize=%luK", huge >> 10);
	t_must(mkdir("huge", 0755));
	t_must(mount("none", "huge", "hugetlbfs", 0, options));
	named = make_file("huge/named", 3);
	fill_file(named, 0, 40);
	shared_file = map(2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, named, 0);
	private_file = map(3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, named, 0);
	t_fill(private_file + huge, PAGE, 41);
	t_must(fstat(named, &sb_named));
	ghost_fd = make_file("huge/deleted", 2);
	fill_file(ghost_fd, 1, 42);
	ghost = map(1, PROT_READ | PROT_WRITE, MAP_SHARED, ghost_fd, 1);
	t_must(unlink("huge/deleted"));
	lone_fd = make_file("huge/alone", 2);
	fill_file(lone_fd, 0, 43);
	t_must(unlink("huge/alone"));
	t_must(fstat(lone_fd, &sb_lone));
}

static void check_files(void)
{
	struct stat sb;

	t_check("a file", shared_file + PAGE, PAGE, 40);
	t_must(fstat(named, &sb));
	if (!t_seen("embedded"))
		t_same("it is the same", sb_named.st_ino, sb.st_ino);
	t_same("its blocks", (uint64_t)sb_named.st_blocks, (uint64_t)sb.st_blocks);
	t_check("a copy of its page", private_file + huge, PAGE, 41);
	t_check("no copy of its page", private_file + PAGE, PAGE, 40);
	check_file("a deleted file", ghost_fd, 1, 42);
	t_check("its mapping", ghost + PAGE, PAGE, 42);
	ghost[0] = 1;
	t_must(pread(ghost_fd, ghost + 1, 1, (off_t)huge));
	t_same("both are one", 1, ghost[1]);
	ghost[0] = ghost[1] = 0;
	check_file("a deleted file without a mapping", lone_fd, 0, 43);
	t_must(fstat(lone_fd, &sb));
	t_same("its blocks", (uint64_t)sb_lone.st_blocks, (uint64_t)sb.st_blocks);
	t_same("its size", (uint64_t)sb_lone.st_size, (uint64_t)sb.st_size);
}

/* --- */

static void be_child(void)
{
	t_fill(both + huge, PAGE, 20);
	t_fill(own, PAGE, 21);
	t_touch("child");
	while (!t_seen("changed"))
		t_sleep_ms(2);
	t_check("its copy", own, PAGE, 21);
	t_check("the rest of it", own + PAGE, huge - PAGE, 1 + PAGE / 8);
	t_check("a page that both have", own + 3 * huge + END, 64, 2);
	t_check("a page that is not reserved", loose + huge, PAGE, 4);
	t_check("what the parent has written", both + 2 * huge, PAGE, 22);
	t_check("a copy of the page of a memfd", copy, PAGE, 14);
	_exit(t_differences ? 1 : 0);
}

static void all(void)
{
	pid_t child;

	make_private();
	make_shared();
	child = t_must(fork());
	if (child == 0)
		be_child();
	while (!t_seen("child"))
		t_sleep_ms(2);
	unlink("child");
	make_sysv();
	make_files();
	t_ready();
	if (t_spoiled())
		own[PAGE] ^= 1;
	t_wait();
	check_private();
	check_shared();
	check_sysv();
	check_files();
	t_fill(both + 2 * huge, PAGE, 22);
	t_touch("changed");
	t_join_child("the child", child);
	unlink("changed");
}

/* Only touched here and there: a gigabyte takes its time. */
static void few(bool one)
{
	int id;

	own = map_anon(2, MAP_PRIVATE | (one ? MAP_NORESERVE : 0));
	t_fill(own + PAGE, 256 * PAGE, 1);
	t_fill(own + END, 64, 2);
	if (!one) {
		alone = map_anon(1, MAP_SHARED);
		t_fill(alone + END, 64, 3);
		memfd = make_memfd("few", 1);
		fill_file(memfd, 0, 4);
		segment = make_segment(huge, &id);
		t_must(shmctl(id, IPC_RMID, NULL));
		t_fill(segment, PAGE, 5);
	}
	t_ready();
	if (t_spoiled())
		own[PAGE] ^= 1;
	t_wait();
	t_check("private", own + PAGE, 256 * PAGE, 1);
	t_check("its end", own + END, 64, 2);
	same_present("private", 1, own, 2);
	if (one)
		return;
	t_check("shared", alone + END, 64, 3);
	check_file("memfd", memfd, 0, 4);
	t_check("a segment", segment, PAGE, 5);
	own[huge] = 1;
	t_must(madvise(own + huge, huge, MADV_DONTNEED));
}

int main(int argc, char **argv)
{
	t_init();
	if (argc > 1) {
		int shift = strcmp(argv[1], "30") == 0 ? 30 : 21;

		huge = 1ul << shift;
		size_flag = shift << 26;
	}
	if (argc > 2)
		few(strcmp(argv[2], "one") == 0);
	else
		all();
	return t_done();
}

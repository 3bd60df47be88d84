/* SPDX-License-Identifier: MIT */
/* Memory and files, by chance. */
#ifndef T_MEDLEY_DO_H
#define T_MEDLEY_DO_H

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "medley-tree.h"

/* Memory. */

static void *some_page(unsigned long *pages)
{
	unsigned long at = chance(AREA_PAGES), n = 1 + chance(one_in(4) ? 64 : 12);

	*pages = n < AREA_PAGES - at ? n : AREA_PAGES - at;
	return (void *)(AREA + at * PAGE);
}

static int some_prot(void)
{
	static const int prots[] = { PROT_NONE,
				     PROT_READ,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_EXEC,
				     PROT_EXEC };

	return prots[chance(sizeof(prots) / sizeof(prots[0]))];
}

/* Through the kernel, which fails where a page cannot be written. */
static void scribble(void)
{
	unsigned long n;
	uint8_t *p = some_page(&n);
	uint64_t words[64];

	t_fill(words, sizeof(words), seed);
	for (unsigned long i = 0; i < n; i++) {
		struct iovec from = { words, sizeof(words) };
		struct iovec to = { p + i * PAGE + 8 * chance(448), sizeof(words) };

		if (!one_in(5))
			process_vm_writev(getpid(), &from, 1, &to, 1, 0);
	}
}

static void map_something(void)
{
	unsigned long n;
	void *p = some_page(&n);
	int flags = (one_in(2) ? MAP_SHARED : MAP_PRIVATE) |
		    (one_in(2) ? MAP_FIXED : MAP_FIXED_NOREPLACE);
	int fd = one_in(2) ? some_fd() : -1, id;
	struct stat st;

	if (fd < 0 && one_in(8)) {
		id = shmget(IPC_PRIVATE, n * PAGE, 0600);
		if (id < 0)
			return;
		shmat(id, p, one_in(3) ? SHM_RDONLY : 0);
		shmctl(id, IPC_RMID, NULL);
		return;
	}
	/* Not the memory of a TCP socket. */
	if (fd >= 0 && (fstat(fd, &st) < 0 || S_ISSOCK(st.st_mode)))
		return;
	if (fd < 0)
		flags |= MAP_ANONYMOUS | (one_in(4) ? MAP_NORESERVE : 0) |
			 ((flags & MAP_TYPE) == MAP_PRIVATE && one_in(6) ? MAP_GROWSDOWN : 0);
	mmap(p, n * PAGE, some_prot(), flags, fd, (off_t)(chance(6) * PAGE));
}

static void move_something(void)
{
	unsigned long n, m;
	void *p = some_page(&n), *to = some_page(&m);

	if (one_in(3))
		mremap(p, n * PAGE, m * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	else if (one_in(3))
		mremap(p, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
	else
		mremap(p, n * PAGE, m * PAGE, 0);
}

static void advise_something(void)
{
	static const int advice[] = { MADV_DONTNEED,	  MADV_RANDOM,	     MADV_SEQUENTIAL,
				      MADV_NORMAL,	  MADV_DONTFORK,     MADV_DOFORK,
				      MADV_DONTDUMP,	  MADV_DODUMP,	     MADV_WIPEONFORK,
				      MADV_KEEPONFORK,	  MADV_HUGEPAGE,     MADV_NOHUGEPAGE,
				      MADV_MERGEABLE,	  MADV_UNMERGEABLE,  MADV_REMOVE,
				      MADV_GUARD_INSTALL, MADV_GUARD_REMOVE, MADV_FREE };
	unsigned long n;
	void *p = some_page(&n);
	int what = advice[chance(sizeof(advice) / sizeof(advice[0]))];

	/* What is free may go at any time. */
	if (what != MADV_FREE)
		madvise(p, n * PAGE, what);
}

static void lock_something(void)
{
	unsigned long n;
	void *p = some_page(&n);

	switch (chance(3)) {
	case 0:
		mlock(p, n * PAGE);
		break;
	case 1:
		mlock2(p, n * PAGE, MLOCK_ONFAULT);
		break;
	default:
		munlock(p, n * PAGE);
	}
}

static void name_something(void)
{
	unsigned long n;
	void *p = some_page(&n);
	char name[16];

	snprintf(name, sizeof(name), "part %u", chance(9));
	prctl(0x53564d61 /* PR_SET_VMA, 5.17 */, 0, p, n * PAGE, name);
}

static void unmap_something(void)
{
	unsigned long n;
	void *p = some_page(&n);

	munmap(p, n * PAGE);
}

static void protect_something(void)
{
	unsigned long n;
	void *p = some_page(&n);

	mprotect(p, n * PAGE, some_prot());
}

/* Some CPUs have no keys, and some kernels no seals. */
static void guard_something(void)
{
	unsigned long n;
	void *p = some_page(&n);

	switch (chance(8)) {
	case 0:
	case 1:
		syscall(SYS_pkey_alloc, 0, chance(4));
		break;
	case 2:
		syscall(SYS_pkey_free, 1 + chance(5));
		break;
	case 3:
		if (one_in(4))
			syscall(462 /* mseal, 6.10 */, p, PAGE, 0);
		break;
	default:
		syscall(SYS_pkey_mprotect, p, n * PAGE, some_prot(), chance(6));
	}
}

/* Files. */

static const char *some_name(char *name, size_t size)
{
	char base[16];

	snprintf(base, sizeof(base), "m%u", chance(12));
	t_name(name, size, base);
	return name;
}

static void open_something(void)
{
	static const int modes[] = { O_RDONLY, O_RDWR, O_WRONLY, O_PATH };
	static const int more[] = {
		0, O_APPEND, O_NONBLOCK, O_CLOEXEC, O_DSYNC, O_NOATIME, O_TRUNC
	};
	char name[PATH_MAX + 64];
	int fds[2] = { -1, -1 }, mode = modes[chance(4)];

	if (list_numbers("/proc/self/fd", (int[MAX_FDS]){ 0 }, MAX_FDS) > 40)
		return;
	switch (chance(12)) {
	case 0:
		pipe2(fds, (one_in(3) ? O_DIRECT : 0) | O_NONBLOCK);
		if (one_in(3))
			fchmod(fds[0], 0600 | chance(0100));
		if (one_in(3))
			fchown(fds[1], chance(2000), chance(2000));
		break;
	case 1:
		socketpair(AF_UNIX,
			   (one_in(2) ? SOCK_STREAM :
			    one_in(2) ? SOCK_DGRAM :
					SOCK_SEQPACKET) |
				   SOCK_NONBLOCK,
			   0, fds);
		break;
	case 2:
		eventfd(chance(3), EFD_NONBLOCK | (one_in(2) ? EFD_SEMAPHORE : 0));
		break;
	case 3:
		epoll_create1(one_in(2) ? EPOLL_CLOEXEC : 0);
		break;
	case 4:
		memfd_create("medley", MFD_ALLOW_SEALING);
		break;
	case 5:
		open(t_dir, O_TMPFILE | O_RDWR, 0640);
		break;
	case 6:
		open(t_dir, O_DIRECTORY | (one_in(2) ? O_PATH : O_RDONLY));
		break;
	case 7:
		timerfd_create(one_in(2) ? CLOCK_MONOTONIC : CLOCK_REALTIME, TFD_NONBLOCK);
		break;
	default:
		open(some_name(name, sizeof(name)),
		     mode | (mode == O_PATH ? 0 : O_CREAT | more[chance(7)]), 0600 | chance(0200));
	}
}

/* What the descriptor leads to; "" when it is not open. */
static const char *link_of(int fd)
{
	static char to[PATH_MAX];
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, to, sizeof(to) - 1);
	to[n > 0 ? n : 0] = 0;
	return to;
}

/* It is ready for one process, and for another one not. */
static bool is_signalfd(int fd)
{
	return strcmp(link_of(fd), "anon_inode:[signalfd]") == 0;
}

static void use_something(void)
{
	int fd = some_fd(), other = some_fd();
	char buf[8192];
	struct epoll_event ev = { .events = EPOLLIN | (one_in(3) ? EPOLLET : 0) };

	t_fill(buf, sizeof(buf), seed);
	switch (chance(12)) {
	case 0:
		dup(fd);
		break;
	case 1:
		dup3(fd, 3 + (int)chance(60), one_in(2) ? O_CLOEXEC : 0);
		break;
	case 2:
		close(fd);
		break;
	case 3:
		lseek(fd, chance(20000), SEEK_SET);
		break;
	case 4:
		ftruncate(fd, chance(30000));
		break;
	case 5:
		ev.data.u64 = chance(1000);
		/* Who asks whether it is ready takes it out of the list of all. */
		if (!is_signalfd(other))
			epoll_ctl(fd, EPOLL_CTL_ADD, other, &ev);
		break;
	case 6:
		fcntl(fd, F_SETFL, (fcntl(fd, F_GETFL) & ~O_NOATIME) ^ O_APPEND);
		break;
	case 7:
		fcntl(fd, F_ADD_SEALS, one_in(2) ? F_SEAL_GROW : F_SEAL_SHRINK);
		shutdown(fd, one_in(2) ? SHUT_RD : SHUT_WR);
		break;
	case 8:
		timerfd_settime(fd, 0,
				&(struct itimerspec){ .it_value = { 9000 + chance(99), 0 },
						      .it_interval = { 100, chance(1000) } },
				NULL);
		fcntl(fd, F_SETPIPE_SZ, 4096 << chance(6));
		break;
	case 9:
		fcntl(fd, F_SETOWN, getpid());
		fcntl(fd, F_SETSIG, SIGRTMIN + 3);
		break;
	default:
		/* Some would hold us up, or their echo. */
		if ((fcntl(fd, F_GETFL) & O_NONBLOCK || lseek(fd, 0, SEEK_CUR) >= 0) && !isatty(fd))
			(void)!write(fd, buf, one_in(4) ? 8 : chance(sizeof(buf)));
	}
}

static void rename_something(void)
{
	char a[PATH_MAX + 64], b[PATH_MAX + 64];

	some_name(a, sizeof(a));
	some_name(b, sizeof(b));
	/* No links: a link that --link-remap makes serves one restore. */
	if (one_in(3))
		rename(a, b);
	else
		unlink(a);
}

#endif

/* SPDX-License-Identifier: MIT */
#include "restart-block.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "kernel-peek.h"
#include "trace.h"

#define PIDFD_THREAD_NR O_EXCL	/* 6.9 */
#define NS 1000000000ull
#define MAX_CLOCKS 12

struct restart_blocks {
	struct kernel_peek *k;
	int64_t links;	/* of the lists of struct pid, in struct task_struct; in bytes */
};

struct restart_blocks *restart_blocks_open(void)
{
	struct restart_blocks *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->k = kernel_peek_open();
	if (b->k)
		b->links = kernel_peek_where(b->k, "task_struct", "pid_links") / 8;
	if (b->k && b->links > 0)
		return b;
	restart_blocks_free(b);
	return NULL;
}

void restart_blocks_free(struct restart_blocks *b)
{
	if (!b)
		return;
	kernel_peek_free(b->k);
	free(b);
}

static bool member(const struct restart_blocks *b, uint64_t at, const char *name, const char *path,
		   void *to, size_t len)
{
	return kernel_peek_member(b->k, at, name, path, to, len) == 0;
}

/* The struct pid of a pidfd: the file's own, or since 6.9 in its inode. */
static uint64_t pid_of(const struct restart_blocks *b, int pidfd)
{
	uint64_t file = kernel_peek_file(b->k, pidfd), inode, pid = 0;

	if (!file)
		return 0;
	if (member(b, file, "file", "private_data", &pid, 8) && pid)
		return pid;
	if (!member(b, file, "file", "f_inode", &inode, 8) ||
	    !member(b, inode, "inode", "i_private", &pid, 8))
		return 0;
	return pid;
}

/* The task_struct of a thread; 0: not found. */
static uint64_t task_of(const struct restart_blocks *b, pid_t tid)
{
	cr_auto_fd int fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD_NR);
	uint64_t pid, link, back;

	if (fd < 0)
		return 0;
	pid = pid_of(b, fd);
	/* tasks[PIDTYPE_PID], the first of the lists. */
	if (!pid || !member(b, pid, "pid", "tasks", &link, 8) || !link ||
	    !member(b, link - (uint64_t)b->links, "task_struct", "thread_pid", &back, 8))
		return 0;
	return back == pid ? link - (uint64_t)b->links : 0;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

static bool poll_end(const struct restart_blocks *b, uint64_t task, uint64_t *end)
{
	uint64_t sec, nsec;

	if (!member(b, task, "task_struct", "restart_block.poll.tv_sec", &sec, 8) ||
	    !member(b, task, "task_struct", "restart_block.poll.tv_nsec", &nsec, 8))
		return false;
	*end = sec * NS + nsec;
	return true;
}

/* The moment of its end, on *@clock. */
static bool end_of(const struct restart_blocks *b, uint64_t task, long nr, clockid_t *clock,
		   uint64_t *end)
{
	*clock = CLOCK_MONOTONIC;
	switch (nr) {
	case SYS_poll:
		return poll_end(b, task, end);
	case SYS_futex:
		return member(b, task, "task_struct", "restart_block.futex.time", end, 8);
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
		return member(b, task, "task_struct", "restart_block.nanosleep.expires", end, 8) &&
		       member(b, task, "task_struct", "restart_block.nanosleep.clockid", clock,
			      4) &&
		       (uint32_t)*clock < MAX_CLOCKS;
	default:
		return false;
	}
}

bool restart_block_rest(struct restart_blocks *b, pid_t tid, long nr, uint64_t at_ns,
			uint64_t *rest_ns)
{
	uint64_t task = task_of(b, tid), end, now;
	clockid_t clock;

	if (!task || !end_of(b, task, nr, &clock, &end))
		return false;
	now = clock_ns(clock) - (clock_ns(CLOCK_MONOTONIC) - at_ns);
	*rest_ns = end > now ? end - now : 0;
	return true;
}

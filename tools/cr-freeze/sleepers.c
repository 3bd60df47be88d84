/* SPDX-License-Identifier: MIT */
#include "sleepers.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "arch.h"
#include "clean.h"
#include "parse.h"
#include "proc.h"
#include "restart-block.h"
#include "tree.h"

#define MAX_CPUS 1024
#define NS 1000000000ull
#define MAX_DEPTH 64
#define MAX_CLOCKS 16
#define MAX_POLL (1 << 20)

struct sleeper {
	pid_t tid;
	long nr;		/* of the call, which is not SYS_restart_syscall */
	uint64_t since_ns;	/* CLOCK_MONOTONIC */
};

struct sleepers {
	struct restart_blocks *blocks;	/* when there is somebody to ask it for */
	bool continued;			/* there is */
	struct sleeper *list;
	unsigned int count;
	unsigned int room;
	int64_t offset[MAX_CPUS];	/* CLOCK_MONOTONIC minus the CPU's run queue clock */
	bool known[MAX_CPUS];
};

/* When it was last put on a CPU: "se.exec_start : 1798390.201785" (ms). */
static bool read_sched(pid_t tid, uint64_t *exec_start_ns)
{
	cr_auto_free char *text = NULL;
	struct cr_err ignored;
	const char *p;
	unsigned long long ms, frac;

	if (cr_proc_read(tid, "sched", &text, NULL, &ignored) < 0)
		return false;
	p = strstr(text, "se.exec_start");
	if (!p || sscanf(p, "se.exec_start : %llu.%6llu", &ms, &frac) != 2)
		return false;
	*exec_start_ns = ms * 1000000 + frac;
	return true;
}

/*
 * The run queue clocks of the CPUs are not CLOCK_MONOTONIC: see where our own
 * stands on that CPU, just after we were put to run there.
 */
static bool calibrate(struct sleepers *s, unsigned int cpu)
{
	struct timespec tick = { 0, 1000 };
	cpu_set_t old, one;
	uint64_t clock;

	if (cpu >= MAX_CPUS)
		return false;
	if (s->known[cpu])
		return true;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_getaffinity(0, sizeof(old), &old) < 0 ||
	    sched_setaffinity(0, sizeof(one), &one) < 0)
		return false;
	nanosleep(&tick, NULL);
	s->known[cpu] = read_sched(getpid(), &clock);
	if (s->known[cpu])
		s->offset[cpu] = (int64_t)cr_now_ns() - (int64_t)clock;
	sched_setaffinity(0, sizeof(old), &old);
	return s->known[cpu];
}

/* Is the time of this call kept in the restart block alone? */
static bool is_hidden_wait(long nr, const uint64_t a[6])
{
	switch (nr) {
	case SYS_nanosleep:
		return !a[1];
	case SYS_clock_nanosleep:
		return !(a[1] & TIMER_ABSTIME) && !a[3];
	case SYS_poll:
		return (int)a[2] > 0;
	case SYS_futex:
		return (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT && a[3];
	default:
		return false;
	}
}

/* nanosleep(2) has a pointer in the place of a clock. */
static bool is_clock(uint64_t arg)
{
	/* Those of the CPU time of processes are negative. */
	return arg < MAX_CLOCKS ||
	       ((int32_t)arg < 0 && (arg >> 32 == 0 || arg >> 32 == UINT32_MAX));
}

/*
 * A call that was continued once already is in restart_syscall, and its number
 * is gone.  Where it waits in the kernel tells it.
 */
static long nr_of_wait(pid_t tid, const uint64_t a[6])
{
	cr_auto_free char *where = NULL;
	struct cr_err ignored;

	if (cr_proc_read(tid, "wchan", &where, NULL, &ignored) < 0)
		return SYS_restart_syscall;
	if (strstr(where, "futex"))
		return SYS_futex;
	if (strstr(where, "poll"))
		return SYS_poll;
	if (strstr(where, "nanosleep") || strstr(where, "nsleep"))
		return is_clock(a[0]) ? SYS_clock_nanosleep : SYS_nanosleep;
	return SYS_restart_syscall;
}

/* The number of the call, or -1.  When it has begun is not to be seen of one that
 * was *@continued. */
static long hidden_wait(pid_t tid, bool *continued)
{
	cr_auto_free char *text = NULL;
	struct cr_err ignored;
	unsigned long long a[6];
	uint64_t args[6];
	long nr;

	if (cr_proc_read(tid, "syscall", &text, NULL, &ignored) < 0 ||
	    sscanf(text, "%ld %llx %llx %llx %llx %llx %llx", &nr, &a[0], &a[1], &a[2], &a[3],
		   &a[4], &a[5]) != 7)
		return -1;
	for (int i = 0; i < 6; i++)
		args[i] = a[i];
	if (nr == SYS_restart_syscall) {
		*continued = true;
		return nr_of_wait(tid, args);
	}
	return is_hidden_wait(nr, args) ? nr : -1;
}

static void sample_thread(struct sleepers *s, pid_t tid)
{
	struct cr_proc_stat st;
	struct cr_err ignored;
	long nr = hidden_wait(tid, &s->continued);
	uint64_t clock;

	if (nr < 0 || !read_sched(tid, &clock) || cr_proc_stat(tid, &st, &ignored) < 0 ||
	    !calibrate(s, (unsigned int)st.field[39]))
		return;
	if (s->count == s->room) {
		unsigned int room = s->room ? s->room * 2 : 16;
		struct sleeper *grown = realloc(s->list, room * sizeof(*grown));

		if (!grown)
			return;
		s->list = grown;
		s->room = room;
	}
	s->list[s->count++] = (struct sleeper){
		.tid = tid,
		.nr = nr,
		.since_ns = (uint64_t)((int64_t)clock + s->offset[st.field[39]]),
	};
}

static void sample_process(struct sleepers *s, pid_t pid, unsigned int depth)
{
	cr_auto_free pid_t *tids = NULL, *kids = NULL;
	struct cr_err ignored;
	unsigned int n;

	if (depth > MAX_DEPTH || cr_proc_tids(pid, &tids, &n, &ignored) < 0)
		return;
	for (unsigned int i = 0; i < n; i++)
		sample_thread(s, tids[i]);
	if (cr_proc_children(pid, &kids, &n, &ignored) < 0)
		return;
	for (unsigned int i = 0; i < n; i++)
		sample_process(s, kids[i], depth + 1);
}

static int by_tid(const void *a, const void *b)
{
	/* The id is the first member, and is all that bsearch() gives. */
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

struct sleepers *sleepers_sample(pid_t root)
{
	struct sleepers *s = calloc(1, sizeof(*s));

	if (s)
		sample_process(s, root, 0);
	if (s && s->continued)
		s->blocks = restart_blocks_open();
	if (s && s->count)
		qsort(s->list, s->count, sizeof(*s->list), by_tid);
	return s;
}

void sleepers_free(struct sleepers *s)
{
	if (!s)
		return;
	restart_blocks_free(s->blocks);
	free(s->list);
	free(s);
}

static bool peek(pid_t tid, uint64_t from, void *to, size_t len)
{
	struct iovec local = { to, len }, remote = { (void *)from, len };

	return process_vm_readv(tid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

static bool peek_time(pid_t tid, uint64_t from, uint64_t *ns)
{
	int64_t ts[2];

	if (!peek(tid, from, ts, sizeof(ts)) || ts[0] < 0)
		return false;
	*ns = (uint64_t)ts[0] * NS + (uint64_t)ts[1];
	return true;
}

/* What the code in front of the instruction says: mov $NR,%eax; syscall. */
static long nr_in_code(const struct cr_tracee *t)
{
	uint8_t code[7];
	int32_t imm;

	if (!peek(t->tid, t->regs.rip - sizeof(code), code, sizeof(code)) || code[0] != 0xb8)
		return SYS_restart_syscall;
	memcpy(&imm, code + 1, 4);
	return imm;
}

static bool is_time(pid_t tid, uint64_t at)
{
	int64_t ts[2];

	return peek(tid, at, ts, sizeof(ts)) && ts[0] >= 0 && ts[1] >= 0 && ts[1] < (int64_t)NS;
}

static bool is_futex(pid_t tid, const uint64_t a[6])
{
	uint64_t op = a[1] & ~(uint64_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
	uint32_t word;

	return (op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET) && is_time(tid, a[3]) &&
	       peek(tid, a[0], &word, sizeof(word)) && word == (uint32_t)a[2];
}

static bool is_poll(pid_t tid, const uint64_t a[6])
{
	uint64_t fd;

	return a[2] > 0 && a[2] <= INT32_MAX && a[1] <= MAX_POLL &&
	       (!a[1] || peek(tid, a[0] + (a[1] - 1) * sizeof(fd), &fd, sizeof(fd)));
}

/* Of a thread that was stopped, and waits nowhere: by its arguments. */
static long nr_by_arguments(pid_t tid, const uint64_t a[6])
{
	if (is_clock(a[0]) && !a[1] && is_time(tid, a[2]))
		return SYS_clock_nanosleep;
	if (is_futex(tid, a))
		return SYS_futex;
	if (is_poll(tid, a))
		return SYS_poll;
	return is_time(tid, a[0]) ? SYS_nanosleep : SYS_restart_syscall;
}

/* Only these are continued by restart_syscall. */
static bool has_restart(long nr)
{
	return nr == SYS_nanosleep || nr == SYS_clock_nanosleep || nr == SYS_poll ||
	       nr == SYS_futex;
}

static long original_nr(const struct cr_tracee *t, const struct sleeper *sl, long nr,
			const uint64_t a[6])
{
	if (nr == SYS_restart_syscall)
		nr = nr_in_code(t);
	if (!has_restart(nr) && sl)
		nr = sl->nr;
	return has_restart(nr) ? nr : nr_by_arguments(t->tid, a);
}

/* The whole time that the call was given. */
static bool whole_time(const struct cr_tracee *t, long nr, const uint64_t a[6], uint64_t *ns)
{
	switch (nr) {
	case SYS_nanosleep:
		return peek_time(t->tid, a[0], ns);
	case SYS_clock_nanosleep:
		return peek_time(t->tid, a[2], ns);
	case SYS_poll:
		/* Without a limit it has no time, and is to be continued all the same. */
		*ns = (int)a[2] > 0 ? (uint64_t)(uint32_t)a[2] * 1000000 : 0;
		return true;
	case SYS_futex:
		return a[3] && peek_time(t->tid, a[3], ns);
	default:
		return false;
	}
}

/* What the kernel wrote when it was interrupted. */
static bool written_rest(const struct cr_tracee *t, long nr, const uint64_t a[6], uint64_t *ns)
{
	if (nr == SYS_nanosleep && a[1])
		return peek_time(t->tid, a[1], ns);
	if (nr == SYS_clock_nanosleep && a[3])
		return peek_time(t->tid, a[3], ns);
	return false;
}

/* Its time is the moment of its end, and stays what it is. */
static bool is_absolute(long nr, const uint64_t a[6])
{
	return nr == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}

bool sleepers_remaining(const struct sleepers *s, const struct cr_tracee *t, uint64_t frozen_ns,
			long *nr, uint64_t *remaining_ns)
{
	const struct sleeper *sl;
	uint64_t a[6], whole;

	if (cr_arch_restart(&t->regs) != CR_RESTART_BLOCK)
		return false;
	sl = s && s->count ? bsearch(&t->tid, s->list, s->count, sizeof(*s->list), by_tid) : NULL;
	*nr = cr_arch_syscall(&t->regs, a);
	*nr = original_nr(t, sl, *nr, a);
	if (written_rest(t, *nr, a, remaining_ns))
		return true;
	if (!whole_time(t, *nr, a, &whole))
		return false;
	*remaining_ns = whole;	/* rather too long than too short */
	if (is_absolute(*nr, a))
		return true;
	if (s && s->blocks && restart_block_rest(s->blocks, t->tid, *nr, frozen_ns, remaining_ns) &&
	    *remaining_ns <= whole)
		return true;
	*remaining_ns = whole;
	if (sl && frozen_ns > sl->since_ns)
		*remaining_ns -= frozen_ns - sl->since_ns < whole ? frozen_ns - sl->since_ns :
								    whole;
	return true;
}

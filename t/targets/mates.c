/* SPDX-License-Identifier: MIT */
/*
 * Processes that share one memory, in many combinations with descriptors,
 * directories and handlers; with children, threads, sessions, users and
 * directories of their own.  They make system calls themselves: the C library
 * has one errno for all of them.
 */
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "target.h"

#define STACK 65536
#define BASE_FD 90
#define FIRST_FD 100
#define SIGSET_BYTES 8

struct state {
	long pid, ppid, pgid, sid, uid, umask, fds, limit, dumpable;
	uint64_t pending;
	struct itimerval timer;
	struct {
		uint64_t handler, flags, restorer, mask;
	} action;
	char name[16], cwd[256];
};

static struct member {
	const char *name;
	int maker;
	unsigned long flags;
	enum { NOTHING, SESSION, GROUP, CHILD, ZOMBIE, THREAD, NOBODY } extra;
	struct state then, now;
	int status;
	volatile int done;
	char stack[STACK] __attribute__((aligned(16)));
} members[] = {
	{ .name = "root", .maker = -1 },
	{ .name = "plain", .maker = 0, .flags = SIGCHLD },
	{ .name = "all",
	  .maker = 0,
	  .flags = CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD,
	  .extra = THREAD },
	{ .name = "grandchild", .maker = 1, .flags = CLONE_FS | SIGCHLD, .extra = ZOMBIE },
	{ .name = "sibling", .maker = 1, .flags = CLONE_PARENT | CLONE_FILES },
	{ .name = "session", .maker = 0, .flags = CLONE_SIGHAND | SIGCHLD, .extra = SESSION },
	{ .name = "in it", .maker = 5, .flags = CLONE_SIGHAND | CLONE_FILES | SIGCHLD },
	{ .name = "group", .maker = 0, .flags = CLONE_FILES | SIGCHLD, .extra = GROUP },
	{ .name = "parent", .maker = 7, .flags = 0, .extra = CHILD },
	{ .name = "nobody", .maker = 0, .flags = CLONE_FS | SIGUSR1, .extra = NOBODY },
};

#define N ((int)(sizeof(members) / sizeof(members[0])))

enum { ARRIVED = 1, LOOK, GONE, END };
static volatile int phase;
static volatile uint64_t thread_beats;
static char thread_stack[STACK] __attribute__((aligned(16)));

static long sys(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

#define CALL(nr, a, b, c, d) sys(SYS_##nr, (long)(a), (long)(b), (long)(c), (long)(d), 0)

static void doze(void)
{
	struct timespec ts = { 0, 1000000 };

	CALL(nanosleep, &ts, NULL, 0, 0);
}

/* It can only be read by setting it, and others share it. */
static long get_umask(void)
{
	static int lock;
	long mask;

	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		doze();
	mask = CALL(umask, 0, 0, 0, 0);
	CALL(umask, mask, 0, 0, 0);
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	return mask;
}

static void look(struct state *s)
{
	struct rlimit limit;

	s->pid = CALL(getpid, 0, 0, 0, 0);
	s->ppid = CALL(getppid, 0, 0, 0, 0);
	s->pgid = CALL(getpgid, 0, 0, 0, 0);
	s->sid = CALL(getsid, 0, 0, 0, 0);
	s->uid = CALL(getuid, 0, 0, 0, 0);
	s->umask = get_umask();
	s->fds = 0;
	for (int i = 0; i < N; i++)
		if (CALL(fcntl, FIRST_FD + i, F_GETFD, 0, 0) >= 0)
			s->fds |= 1l << i;
	CALL(prlimit64, 0, RLIMIT_CORE, NULL, &limit);
	s->limit = (long)limit.rlim_cur;
	s->dumpable = CALL(prctl, PR_GET_DUMPABLE, 0, 0, 0);
	CALL(rt_sigpending, &s->pending, SIGSET_BYTES, 0, 0);
	CALL(getitimer, ITIMER_REAL, &s->timer, 0, 0);
	s->timer.it_value = (struct timeval){ s->timer.it_value.tv_sec > 0, 0 };
	CALL(rt_sigaction, SIGUSR2, NULL, &s->action, SIGSET_BYTES);
	CALL(prctl, PR_GET_NAME, s->name, 0, 0);
	CALL(getcwd, s->cwd, sizeof(s->cwd), 0, 0);
}

static long start(int flags, char *stack, int (*fn)(void *), void *arg)
{
	return clone(fn, stack + STACK, flags, arg);
}

static int beat(void *arg)
{
	(void)arg;
	while (phase < END) {
		thread_beats++;
		doze();
	}
	sys(SYS_exit, 0, 0, 0, 0, 0);
	return 0;
}

/* Has memory of its own. */
static void be_child(void)
{
	long parent = CALL(getppid, 0, 0, 0, 0);

	while (CALL(faccessat, BASE_FD, "over", F_OK, 0) < 0)
		doze();
	sys(SYS_exit_group, CALL(getppid, 0, 0, 0, 0) == parent ? 7 : 8, 0, 0, 0, 0);
}

static void make_extra(struct member *m)
{
	long pid;

	if (m->extra == SESSION)
		CALL(setsid, 0, 0, 0, 0);
	if (m->extra == GROUP)
		CALL(setpgid, 0, 0, 0, 0);
	if (m->extra == THREAD)
		start(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			      CLONE_SYSVSEM,
		      thread_stack, beat, NULL);
	if (m->extra == NOBODY)
		CALL(setresuid, 65534, 65534, 65534, 0);
	if (m->extra != CHILD && m->extra != ZOMBIE)
		return;
	pid = sys(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0 && m->extra == CHILD)
		be_child();
	if (pid == 0)
		sys(SYS_exit_group, 42, 0, 0, 0, 0);
}

static void set_up(struct member *m)
{
	int i = (int)(m - members);
	uint64_t mask = 1ull << (SIGUSR1 - 1);
	struct itimerval timer = { { 1000 + i, 0 }, { 100000, 0 } };
	struct rlimit limit = { (rlim_t)(4096 * (i + 1)), RLIM_INFINITY };
	char dir[] = "dir-0", name[] = "mate-0";

	dir[4] = name[5] = (char)('0' + i);
	CALL(prctl, PR_SET_NAME, name, 0, 0);
	/* What others share with it is as the last of them makes it. */
	CALL(chdir, "/", 0, 0, 0);
	CALL(fchdir, BASE_FD, 0, 0, 0);
	CALL(chdir, dir, 0, 0, 0);
	CALL(umask, 8 * i + 2, 0, 0, 0);
	CALL(dup3, BASE_FD, FIRST_FD + i, i % 2 ? O_CLOEXEC : 0, 0);
	if (i && !(m->flags & CLONE_SIGHAND)) {
		struct {
			uint64_t handler, flags, restorer, mask;
		} sa = { .handler = (uint64_t)look, .flags = SA_RESTART, .mask = 1ull << i };

		CALL(rt_sigaction, SIGUSR2, &sa, NULL, SIGSET_BYTES);
	}
	CALL(rt_sigprocmask, SIG_BLOCK, &mask, NULL, SIGSET_BYTES);
	if (i % 3 == 1)
		CALL(kill, CALL(getpid, 0, 0, 0, 0), SIGUSR1, 0, 0);
	CALL(setitimer, ITIMER_REAL, &timer, NULL, 0);
	CALL(prlimit64, 0, RLIMIT_CORE, &limit, NULL);
}

static int live(void *arg);

static void make_others(int me)
{
	for (int i = 0; i < N; i++)
		if (members[i].maker == me) {
			start(CLONE_VM | (int)members[i].flags, members[i].stack, live,
			      &members[i]);
			while (!members[i].done)
				doze();
		}
}

static void await(int what)
{
	while (phase < what)
		doze();
}

static void come(struct member *m)
{
	bool first = m->extra == SESSION || m->extra == GROUP;

	set_up(m);
	if (first)
		make_extra(m);
	make_others((int)(m - members));
	if (!first)
		make_extra(m);
	m->done = ARRIVED;
}

static void go(struct member *m)
{
	int status = 0;

	if (m->extra == CHILD || m->extra == ZOMBIE)
		CALL(wait4, -1, &status, 0, 0);
	m->status = status >> 8;
	look(&m->now);
	m->done = GONE;
}

static int live(void *arg)
{
	struct member *m = arg;

	come(m);
	await(LOOK);
	look(&m->then);
	m->done = LOOK;
	await(GONE);
	go(m);
	await(END);
	sys(SYS_exit, 0, 0, 0, 0, 0);
	return 0;
}

static void all(int what)
{
	phase = what;
	for (int i = 1; i < N; i++)
		while (members[i].done < what)
			doze();
}

static void compare(const struct member *m)
{
	const struct state *a = &m->then, *b = &m->now;
	char what[64];

#define SAME(field)                                                   \
	do {                                                          \
		snprintf(what, sizeof(what), "%s: " #field, m->name); \
		t_same(what, (uint64_t)a->field, (uint64_t)b->field); \
	} while (0)
	SAME(pid);
	SAME(pgid);
	SAME(sid);
	if (m->maker >= 0 && !(m->maker == 0 && m->flags & CLONE_PARENT))
		SAME(ppid);
	SAME(uid);
	SAME(umask);
	SAME(fds);
	SAME(limit);
	SAME(dumpable);
	SAME(pending);
	SAME(timer.it_interval.tv_sec);
	SAME(timer.it_value.tv_sec);
	SAME(action.handler);
	SAME(action.flags);
	SAME(action.mask);
#undef SAME
	snprintf(what, sizeof(what), "%s: name", m->name);
	t_same_str(what, a->name, b->name);
	snprintf(what, sizeof(what), "%s: cwd", m->name);
	t_same_str(what, a->cwd, b->cwd);
}

int main(void)
{
	char dir[] = "dir-0";
	uint64_t beats;
	int here;

	t_init();
	for (int i = 0; i < N; i++) {
		dir[4] = (char)('0' + i);
		mkdir(dir, 0777);
	}
	here = t_must(open(".", O_RDONLY | O_DIRECTORY));
	t_must(dup2(here, BASE_FD));
	close(here);
	come(&members[0]);
	all(LOOK);
	look(&members[0].then);
	t_ready();
	if (t_spoiled())
		members[3].then.umask++;
	t_wait();
	beats = thread_beats;
	t_touch("over");
	all(GONE);
	look(&members[0].now);
	for (int i = 0; i < N; i++)
		compare(&members[i]);
	t_same("status of the child", 7, (uint64_t)members[8].status);
	t_same("status of the zombie", 42, (uint64_t)members[3].status);
	for (int ms = 0; thread_beats == beats && ms < 10000; ms++)
		t_sleep_ms(1);
	t_true("the thread runs", thread_beats > beats);
	phase = END;
	for (int i = 0; i < N; i++)
		while (i && kill((pid_t)members[i].now.pid, 0) == 0 &&
		       waitpid((pid_t)members[i].now.pid, NULL, __WALL | WNOHANG) == 0)
			doze();
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * A tree that does hundreds of things by chance: maps, unmaps, protects, moves,
 * forks, makes threads, opens, duplicates, closes, unlinks, writes.  Then each
 * process writes down all that it can see of itself (medley.h), and afterwards
 * compares it with what it sees then.  The argument is the seed: the same seed
 * does the same.
 */
#include <linux/kcmp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "medley.h"

#define MAX_TASKS 24
#define MAX_FDS 96
#define STEPS 220

struct member {
	pid_t pid;
	int status;		/* as wait(2) will tell it */
	bool looks;		/* takes part in the comparison */
	size_t n;
	int fds[MAX_FDS];
};

/* Common to the tree. */
static struct common {
	uint32_t members, alive, forks, at_barrier[7];
	struct member member[MAX_TASKS];
} * common;

static struct member *me;
static uint64_t seed;

static uint32_t chance(uint32_t n)
{
	seed++;
	return (uint32_t)(t_mix(seed) >> 33) % n;
}

static bool one_in(uint32_t n)
{
	return chance(n) == 0;
}

static struct member *new_member(bool looks)
{
	struct member *m =
		&common->member[__atomic_fetch_add(&common->members, 1, __ATOMIC_SEQ_CST)];

	m->looks = looks;
	if (looks)
		__atomic_add_fetch(&common->alive, 1, __ATOMIC_SEQ_CST);
	return m;
}

/* Until all that are alive have come here. */
static void barrier(unsigned int n)
{
	__atomic_add_fetch(&common->at_barrier[n], 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&common->at_barrier[n], __ATOMIC_SEQ_CST) <
	       __atomic_load_n(&common->alive, __ATOMIC_SEQ_CST))
		t_sleep_ms(1);
}

static int some_fd(void)
{
	int fds[MAX_FDS + 8];
	size_t n = list_numbers("/proc/self/fd", fds, MAX_FDS + 8);

	if (n <= 3)
		return -1;
	/* Not the log and its like. */
	for (unsigned int i = 0; i < 8; i++) {
		int fd = fds[chance((uint32_t)n)];

		if (fd > 2)
			return fd;
	}
	return -1;
}

static pid_t common_pid(void)
{
	pid_t pid = common->member[chance(common->members)].pid;

	return pid ? pid : getpid();
}

#include "medley-more.h"

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

/* Tasks. */

__attribute__((noreturn)) static void *sleeper(void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), "s%zu", (size_t)arg);
	prctl(PR_SET_NAME, name);
	__atomic_add_fetch(&common->forks, 1, __ATOMIC_SEQ_CST);
	for (;;)
		t_sleep_ms(100000);
}

static void new_thread(void)
{
	uint32_t before = __atomic_load_n(&common->forks, __ATOMIC_SEQ_CST);
	size_t number = chance(100);
	pthread_t t;

	/* Its stack is none of the area's, and it has its name before anyone looks. */
	if (pthread_create(&t, NULL, sleeper, (void *)number) == 0)
		while (__atomic_load_n(&common->forks, __ATOMIC_SEQ_CST) == before)
			t_sleep_ms(1);
}

static void signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, 1 + (int)chance(31));
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigqueue(getpid(), SIGRTMIN + (int)chance(10), (union sigval){ .sival_int = 1 });
}

static void attributes(void)
{
	switch (chance(6)) {
	case 0:
		umask(chance(0100));
		break;
	case 1:
		setpriority(PRIO_PROCESS, 0, (int)chance(10));
		break;
	case 2:
		setrlimit(RLIMIT_CORE, &(struct rlimit){ chance(1000), 100000 });
		break;
	case 3:
		(void)!chdir(one_in(2) ? "/" : t_dir);
		break;
	case 4:
		if (me != common->member)
			setpgid(0, 0);
		break;
	default:
		if (me != common->member)
			setsid();
	}
}

/* A process whose threads have not all ended yet is none that is dead. */
static char state_of(pid_t pid, int *ppid, int *group, int *session)
{
	char path[64], buf[1024], state;
	int threads;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	t_read(path, buf, sizeof(buf));
	if (sscanf(strrchr(buf, ')') + 1,
		   " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d", &state,
		   ppid, group, session, &threads) != 5)
		t_fatal("%s", path);
	return state == 'Z' && threads > 1 ? 'X' : state;
}

static void do_steps(unsigned int steps);

/* A child that goes on like this, dies at once, is stopped or only sleeps. */
static void new_child(void)
{
	uint32_t kind = chance(4), left = 20 + chance(80);
	struct member *m;
	pid_t pid;

	if (__atomic_load_n(&common->members, __ATOMIC_SEQ_CST) >= MAX_TASKS - 8)
		return;
	m = new_member(kind >= 2);
	if (kind == 0)
		m->status = (int)chance(200) << 8;
	else if (kind == 1)
		m->status = SIGKILL;
	pid = t_must(fork());
	if (pid) {
		siginfo_t si;
		int a, b, c;

		m->pid = pid;
		if (kind == 0)
			t_must(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
		if (kind == 1 && one_in(2)) {
			kill(pid, SIGSTOP);
			/* Not for ever: a group that is orphaned now is continued. */
			for (int i = 0; i < 100 && state_of(pid, &a, &b, &c) != 'T'; i++)
				t_sleep_ms(1);
		}
		return;
	}
	m->pid = getpid();
	if (kind == 0)
		_exit(m->status >> 8);
	if (kind == 1)
		for (;;)
			pause();
	me = m;
	seed = t_mix(seed + (uint64_t)(m - common->member));
	do_steps(left);
}

/* Dies before its children. */
static void die(void)
{
	if (me == common->member || !one_in(12))
		return;
	me->looks = false;
	me->status = 7 << 8;
	__atomic_sub_fetch(&common->alive, 1, __ATOMIC_SEQ_CST);
	_exit(7);
}

static void do_steps(unsigned int steps)
{
	static void (*const all[])(void) = {
		map_something,	   map_something,     map_something,
		scribble,	   scribble,	      scribble,
		protect_something, protect_something, unmap_something,
		move_something,	   move_something,    advise_something,
		advise_something,  lock_something,    name_something,
		open_something,	   open_something,    open_something,
		open_something,	   use_something,     use_something,
		use_something,	   use_something,     use_something,
		rename_something,  new_child,	      new_thread,
		signals,	   attributes,	      die,
		set_handler,	   set_stack,	      set_prctl,
		set_limits,	   set_scheduling,    set_timer,
		set_option,	   set_option,	      open_more,
		open_more,	   open_more,	      lock_file,
	};
	const char *only = getenv("T_ONLY");

	while (steps--) {
		uint32_t which = chance(sizeof(all) / sizeof(all[0]));

		if (!only || strchr(only, 'a' + (int)which))
			all[which]();
	}
}

/* Comparison. */

/* Which descriptors of the tree are the same: the first one that has it. */
static void say_sharing(struct text *t)
{
	for (size_t i = 0; i < common->members; i++) {
		struct member *a = &common->member[i];

		for (size_t j = 0; a->looks && j < a->n; j++) {
			size_t k = 0, l = 0;

			for (k = 0; k <= i; k++) {
				struct member *b = &common->member[k];

				for (l = 0; b->looks && l < b->n; l++)
					if (syscall(SYS_kcmp, a->pid, b->pid, KCMP_FILE, a->fds[j],
						    b->fds[l]) == 0)
						goto found;
			}
		found:
			if (k > i)
				t_fatal("kcmp");
			say(t, "descriptor %d of %d is %d of %d\n", a->fds[j], a->pid,
			    common->member[k].fds[l], common->member[k].pid);
		}
	}
}

/* What still goes on by itself: ends of processes, news of them, errors of sockets. */
static void settle(void)
{
	int a, b, c, error;
	socklen_t len = sizeof(error);

	barrier(0);
	for (size_t i = 0; i < common->members; i++)
		while (!common->member[i].looks && WIFEXITED(common->member[i].status) &&
		       state_of(common->member[i].pid, &a, &b, &c) != 'Z')
			t_sleep_ms(1);
	t_sleep_ms(20);
	/* Some errors are refused, and whoever reads takes them. */
	for (int fd = 3; fd < 64; fd++)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	barrier(1);
}

static void say_tree(struct text *t)
{
	for (size_t i = 0; i < common->members; i++) {
		int ppid, group, session;
		char state = state_of(common->member[i].pid, &ppid, &group, &session);

		/* The parent of the root is another one. */
		say(t, "pid %d %c %d %d %d\n", common->member[i].pid,
		    state == 'Z' || state == 'T' ? state : '-', i ? ppid : 0, group, session);
	}
}

/* All processes at once; none goes on before all have looked. */
static char *look(unsigned int first)
{
	struct text t = {
		mmap(NULL, TEXT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0
	};
	int tids[64];
	size_t n;

	if (t.at == MAP_FAILED)
		t_fatal("mmap");
	barrier(first);
	me->n = list_numbers("/proc/self/fd", me->fds, MAX_FDS);
	say_area(&t);
	for (size_t i = 0; i < me->n; i++)
		if (me->fds[i] > 2)
			say_fd(&t, me->fds[i], say_more);
	n = list_numbers("/proc/self/task", tids, 64);
	for (size_t i = 0; i < n; i++) {
		char task[16];

		snprintf(task, sizeof(task), "%d", tids[i]);
		say_status(&t, task);
	}
	say_links(&t);
	say_attributes(&t);
	barrier(first + 1);
	if (me == common->member) {
		say_tree(&t);
		say_sharing(&t);
	}
	return t.at;
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return line + (*line == '\n');
}

static bool is_same_line(const char *a, const char *b)
{
	size_t len = strcspn(a, "\n");

	return len == strcspn(b, "\n") && strncmp(a, b, len) == 0;
}

/* How many lines on @line is found among @others, 0: not soon. */
static unsigned int lines_until(const char *others, const char *line)
{
	for (unsigned int n = 0; n < 100 && *others; n++, others = next_line(others))
		if (is_same_line(others, line))
			return n;
	return 0;
}

static const char *tell(const char *which, const char *line, unsigned int lines)
{
	while (lines--) {
		t_differs("%s: %.*s", which, (int)strcspn(line, "\n"), line);
		line = next_line(line);
	}
	return line;
}

static void compare(const char *was, const char *is)
{
	while (*was || *is) {
		unsigned int gone, more;

		if (is_same_line(was, is)) {
			was = next_line(was);
			is = next_line(is);
			continue;
		}
		gone = lines_until(was, is);
		more = gone ? 0 : lines_until(is, was);
		was = tell("was", was, gone || more ? gone : *was != 0);
		is = tell("is", is, gone || more ? more : *is != 0);
	}
}

static void reap(void)
{
	int status;
	pid_t pid;

	for (size_t i = 0; i < common->members; i++)
		if (common->member[i].status == SIGKILL && me == common->member)
			kill(common->member[i].pid, SIGKILL);
	while ((pid = waitpid(-1, &status, 0)) > 0)
		for (size_t i = 0; i < common->members; i++)
			if (common->member[i].pid == pid && common->member[i].status != status)
				t_differs("child %d ended with %#x instead of %#x", pid,
					  (unsigned int)status,
					  (unsigned int)common->member[i].status);
}

int main(int argc, char **argv)
{
	char *before, *after;
	sigset_t set;

	t_init();
	seed = t_mix(argc > 1 ? strtoull(argv[1], NULL, 0) : 1);
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (common == MAP_FAILED)
		t_fatal("mmap");
	signal(SIGPIPE, SIG_IGN);
	/* A group of stopped processes may be orphaned. */
	signal(SIGHUP, SIG_IGN);
	/* No thread takes those that are queued. */
	sigemptyset(&set);
	for (int i = 0; i < 10; i++)
		sigaddset(&set, SIGRTMIN + i);
	sigprocmask(SIG_BLOCK, &set, NULL);
	t_must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	me = new_member(true);
	me->pid = getpid();
	do_steps(STEPS);

	settle();
	before = look(2);
	if (me == common->member)
		t_ready();
	t_wait();
	if (t_spoiled() && me == common->member)
		umask(umask(0) ^ 0777);
	after = look(4);
	compare(before, after);
	/* They die when all have looked. */
	barrier(6);
	reap();
	return t_done();
}

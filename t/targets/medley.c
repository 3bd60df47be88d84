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
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "medley-do.h"
#include "medley-more.h"

#define STEPS 220

/* Tasks. */

/* Threads that this process, or one that it comes from, has made. */
static uint32_t started;

__attribute__((noreturn)) static void *sleeper(void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), "s%zu", (size_t)arg);
	prctl(PR_SET_NAME, name);
	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	for (;;)
		t_sleep_ms(100000);
}

static void new_thread(void)
{
	uint32_t before = __atomic_load_n(&started, __ATOMIC_SEQ_CST);
	size_t number = chance(100);
	pthread_t t;

	/* Its stack is none of the area's, and it has its name before anyone looks. */
	if (pthread_create(&t, NULL, sleeper, (void *)number) == 0)
		while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) == before)
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
		setpriority(PRIO_PROCESS, 0, (int)chance(4));
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
		map_something,
		map_something,
		map_something,
		scribble,
		scribble,
		scribble,
		protect_something,
		protect_something,
		guard_something,
		unmap_something,
		move_something,
		move_something,
		advise_something,
		advise_something,
		lock_something,
		name_something,
		open_something,
		open_something,
		open_something,
		open_something,
		use_something,
		use_something,
		use_something,
		use_something,
		use_something,
		rename_something,
		new_child,
		new_thread,
		signals,
		attributes,
		die,
		set_handler,
		set_stack,
		set_prctl,
		set_limits,
		set_scheduling,
		set_timer,
		set_option,
		set_option,
		open_more,
		open_more,
		open_more,
		lock_file,
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
	begin_to_look();
	me->n = list_numbers("/proc/self/fd", me->fds, MAX_FDS);
	say_area(&t);
	for (size_t i = 0; i < me->n; i++)
		if (me->fds[i] > 2)
			say_fd(&t, me->fds[i], say_more);
	n = list_numbers("/proc/self/task", tids, 64);
	for (size_t i = 0; i < n; i++)
		say_status(&t, tids[i]);
	say_links(&t);
	say_attributes(&t);
	end_of_look();
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

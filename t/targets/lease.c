/* SPDX-License-Identifier: MIT */
/*
 * Leases that are being broken: to be downgraded or given up, with the signal
 * taken or still pending, by somebody who waits in open(2) or has gone away.
 */
#include <signal.h>

#include "target.h"

enum { READERS, PENDING, FOR_READING, READ_ONLY, WAITED_FOR, WHOLE, N };

static const struct {
	const char *what;
	int mode;
	int type;
	int by;		/* how it is opened meanwhile; -1: not at all */
	const char *line;
	int now;
	bool reader_waits;
} cases[N] = {
	[READERS] = { "to be downgraded", O_RDONLY, F_WRLCK, O_RDONLY, "BREAKING  READ", F_RDLCK,
		      true },
	[PENDING] = { "to be given up, not known yet", O_RDWR, F_WRLCK, O_WRONLY, "BREAKING  UNLCK",
		      F_UNLCK, true },
	[FOR_READING] = { "for reading, to be given up", O_RDONLY, F_RDLCK, O_WRONLY,
			  "BREAKING  UNLCK", F_UNLCK, false },
	[READ_ONLY] = { "for writing, of who reads", O_RDONLY, F_WRLCK, O_WRONLY, "BREAKING  UNLCK",
			F_UNLCK, true },
	[WAITED_FOR] = { "that a child waits for", O_RDWR, F_WRLCK, -1, "BREAKING  UNLCK", F_UNLCK,
			 true },
	[WHOLE] = { "that nobody wants", O_RDWR, F_WRLCK, -1, "ACTIVE    WRITE", F_WRLCK, true },
};

static int fds[N];
static pid_t owners[N];

static void name_of(int n, char name[16])
{
	snprintf(name, 16, "lease%d", n);
}

static int try_open(int n, int mode)
{
	char name[16];

	name_of(n, name);
	return open(name, mode | O_NONBLOCK | O_CLOEXEC);
}

/* Has the signal of the lease come?  Which descriptor does it name? */
static int take_signal(int n)
{
	siginfo_t si = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + n);
	return sigtimedwait(&set, &si, &(struct timespec){ 0 }) < 0 ? -1 : si.si_fd;
}

static void set_up_one(int n)
{
	char name[16];

	name_of(n, name);
	close(t_must(open(name, O_WRONLY | O_CREAT, 0600)));
	fds[n] = t_must(open(name, cases[n].mode | O_CLOEXEC));
	t_must(fcntl(fds[n], F_SETSIG, SIGRTMIN + n));
	t_must(fcntl(fds[n], F_SETLEASE, cases[n].type));
	if (cases[n].by >= 0 && (try_open(n, cases[n].by) >= 0 || errno != EWOULDBLOCK))
		t_fatal("%s: is not broken", name);
	if (cases[n].by >= 0 && n != PENDING && take_signal(n) != fds[n])
		t_fatal("%s: no signal", name);
}

/* The table is not its own, so that it holds no lease. */
static pid_t start_waiter(void)
{
	pid_t pid = t_must(fork());
	char name[16];

	if (pid)
		return pid;
	for (int n = 0; n < N; n++)
		close(fds[n]);
	name_of(WAITED_FOR, name);
	t_must(open(name, O_WRONLY));
	t_true("the waiter waits until it is let", t_asked());
	_exit(t_differences ? 1 : 0);
}

static bool line_is(int n, const char *line)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fds[n]);
	t_read(path, text, sizeof(text));
	return strstr(text, line) != NULL;
}

static void check_one(int n)
{
	const char *what = cases[n].what;
	int fd;

	t_true(what, line_is(n, cases[n].line));
	t_same(what, (uint64_t)cases[n].now, (uint64_t)fcntl(fds[n], F_GETLEASE));
	t_same("its owner", (uint64_t)owners[n], (uint64_t)fcntl(fds[n], F_GETOWN));
	t_same("its signal", (uint64_t)(SIGRTMIN + n), (uint64_t)fcntl(fds[n], F_GETSIG));
	t_same("what came of it", (uint64_t)(n == PENDING ? fds[n] : -1), (uint64_t)take_signal(n));
	t_same("and once more", (uint64_t)-1, (uint64_t)take_signal(n));
	fd = try_open(n, O_RDONLY);
	t_true(what, (fd < 0 && errno == EWOULDBLOCK) == cases[n].reader_waits);
	if (fd >= 0)
		close(fd);
	t_same("who wants one that was whole is told of", (uint64_t)(n == WHOLE ? fds[n] : -1),
	       (uint64_t)take_signal(n));
}

/* What was asked of them is done. */
static void give_up(void)
{
	int fd;

	t_must(fcntl(fds[READERS], F_SETLEASE, F_RDLCK));
	fd = try_open(READERS, O_RDONLY);
	t_true("one that is downgraded lets others read", fd >= 0);
	t_true("and is not broken any more", line_is(READERS, "ACTIVE    READ"));
	t_must(fcntl(fds[PENDING], F_SETLEASE, F_UNLCK));
	t_true("one that is given up lets others write", try_open(PENDING, O_WRONLY) >= 0);
	t_must(fcntl(fds[WAITED_FOR], F_SETLEASE, F_UNLCK));
}

int main(void)
{
	sigset_t all;
	pid_t waiter;

	t_init();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int n = 0; n < N; n++)
		set_up_one(n);
	waiter = start_waiter();
	while (!line_is(WAITED_FOR, "BREAKING"))
		t_sleep_ms(5);
	if (take_signal(WAITED_FOR) != fds[WAITED_FOR])
		t_fatal("no signal");
	/* Nobody is told of what becomes of this one. */
	t_must(fcntl(fds[READ_ONLY], F_SETOWN, 0));
	for (int n = 0; n < N; n++)
		owners[n] = fcntl(fds[n], F_GETOWN);
	t_ready();
	if (t_spoiled())
		t_must(fcntl(fds[READERS], F_SETLEASE, F_UNLCK));
	t_wait();
	for (int n = 0; n < N; n++)
		check_one(n);
	give_up();
	t_join_child("who waits for one", waiter);
	return t_done();
}

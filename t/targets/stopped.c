/* SPDX-License-Identifier: MIT */
/*
 * Children that are stopped, by several signals, or have gone on again, with
 * their parent told about it or not yet, and signals waiting for them; and the
 * parent's own SIGCHLD.  They go on after SIGCONT as if nothing had been.
 */
#include <pthread.h>
#include <signal.h>

#include "target.h"

struct kid {
	const char *name;
	int sig;
	bool told;
	bool goes_on;	/* SIGCONT was sent, and its news not taken */
	bool more;	/* signals are pending while it is stopped */
	bool threads;
	pid_t pid;
};

static struct kid kids[] = {
	{ .name = "SIGSTOP", .sig = SIGSTOP, .told = true },
	{ .name = "SIGTSTP", .sig = SIGTSTP, .told = true },
	{ .name = "SIGTTIN, untold", .sig = SIGTTIN },
	{ .name = "SIGTTOU, threads", .sig = SIGTTOU, .told = true, .threads = true },
	{ .name = "SIGSTOP, untold", .sig = SIGSTOP, .threads = true },
	{ .name = "SIGSTOP, more signals", .sig = SIGSTOP, .told = true, .more = true },
	{ .name = "SIGTSTP, more signals", .sig = SIGTSTP, .told = true, .more = true },
	{ .name = "SIGCONT", .sig = SIGSTOP, .told = true, .goes_on = true },
	{ .name = "SIGCONT, threads",
	  .sig = SIGTSTP,
	  .told = true,
	  .goes_on = true,
	  .threads = true },
};

#define N (sizeof(kids) / sizeof(kids[0]))

static volatile sig_atomic_t seen[65];

static void on_signal(int sig)
{
	char name[32];

	seen[sig]++;
	snprintf(name, sizeof(name), "continued.%d", (int)getpid());
	if (sig == SIGCONT)
		t_touch(name);
}

static char state_of(pid_t pid)
{
	char path[64], text[512], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	t_read(path, text, sizeof(text));
	end = strrchr(text, ')');
	return end ? end[2] : '?';
}

static void *sleeper(void *arg)
{
	for (;;)
		t_sleep_ms(1000);
	return arg;
}

static void be_kid(const struct kid *k)
{
	pthread_t thread;

	signal(k->sig, SIG_DFL);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	signal(SIGCONT, on_signal);
	/* An orphaned group ignores the terminal's stop signals. */
	t_must(setpgid(0, 0));
	for (int i = 0; k->threads && i < 3; i++)
		if (pthread_create(&thread, NULL, sleeper, NULL) != 0)
			t_fatal("pthread_create");
	while (!seen[SIGUSR2])
		t_sleep_ms(5);
	_exit(42 + 2 * seen[SIGUSR1] + 4 * seen[SIGCONT]);
}

/* The kernel sends SIGCHLD only after wait(2) can have told the news. */
static void take_sigchld(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (sigwaitinfo(&set, NULL) != SIGCHLD)
		;
}

static void start(struct kid *k, bool take)
{
	siginfo_t info;
	char name[32];

	k->pid = t_must(fork());
	if (k->pid == 0)
		be_kid(k);
	while (getpgid(k->pid) != k->pid)
		t_sleep_ms(1);
	t_must(kill(k->pid, k->sig));
	t_must(waitid(P_PID, (id_t)k->pid, &info, WSTOPPED | (k->told ? 0 : WNOWAIT)));
	if (take)
		take_sigchld();
	if (k->more) {
		t_must(kill(k->pid, SIGUSR1));
		t_must(kill(k->pid, SIGSTOP));
		t_must(kill(k->pid, SIGTSTP));
	}
	if (k->goes_on) {
		t_must(kill(k->pid, SIGCONT));
		t_must(waitid(P_PID, (id_t)k->pid, &info, WCONTINUED | WNOWAIT));
		snprintf(name, sizeof(name), "continued.%d", (int)k->pid);
		while (!t_seen(name))
			t_sleep_ms(1);
		take_sigchld();
	}
}

static void compare_news(struct kid *k)
{
	siginfo_t info = { 0 };
	char what[80];

	t_must(waitid(P_PID, (id_t)k->pid, &info, WSTOPPED | WCONTINUED | WNOHANG));
	snprintf(what, sizeof(what), "%s: told of", k->name);
	t_same(what, k->goes_on || !k->told ? (uint64_t)k->pid : 0, (uint64_t)info.si_pid);
	if (!info.si_pid)
		return;
	snprintf(what, sizeof(what), "%s: told that", k->name);
	t_same(what, k->goes_on ? CLD_CONTINUED : CLD_STOPPED, (uint64_t)info.si_code);
	snprintf(what, sizeof(what), "%s: told with signal", k->name);
	t_same(what, (uint64_t)(k->goes_on ? SIGCONT : k->sig), (uint64_t)info.si_status);
}

static void compare(struct kid *k)
{
	char what[80], state;
	int status = 0;

	/* One that was let go again stops at its next chance to run. */
	for (int ms = 0; !k->goes_on && state_of(k->pid) != 'T' && ms < 20000; ms++)
		t_sleep_ms(1);
	state = state_of(k->pid);

	snprintf(what, sizeof(what), "%s: is stopped", k->name);
	t_same(what, !k->goes_on, state == 'T');
	if (t_differences)
		return;
	compare_news(k);
	if (!k->goes_on)
		t_must(kill(k->pid, SIGCONT));
	t_must(kill(k->pid, SIGUSR2));
	if (waitpid(k->pid, &status, 0) != k->pid)
		t_differs("%s: lost", k->name);
	snprintf(what, sizeof(what), "%s: wait status", k->name);
	t_same(what, (42u + 4 + (k->more ? 2 : 0)) << 8, (uint64_t)status);
}

/* Its SIGCHLD is blocked all the time; none is there before or after. */
static void chld_pending(const char *what, bool want)
{
	struct timespec now = { 0, 0 };
	sigset_t set;
	siginfo_t info;

	sigpending(&set);
	t_same(what, want, (uint64_t)sigismember(&set, SIGCHLD));
	if (want || !sigismember(&set, SIGCHLD))
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigtimedwait(&set, &info, &now) == SIGCHLD)
		t_differs("%s: pid %d, code %d, status %d", what, (int)info.si_pid, info.si_code,
			  info.si_status);
	for (size_t i = 0; i < N; i++)
		if (kids[i].pid == info.si_pid)
			t_differs("%s: %s", what, kids[i].name);
}

/* A child of its own, whose parent has a SIGCHLD pending. */
static pid_t with_pending(void)
{
	struct kid k = { .name = "with SIGCHLD pending", .sig = SIGSTOP, .told = true };
	pid_t pid = t_must(fork());
	sigset_t set;

	if (pid)
		return pid;
	start(&k, false);
	while (sigpending(&set) == 0 && !sigismember(&set, SIGCHLD))
		t_sleep_ms(1);
	t_touch("child");
	t_wait();
	/* Our end is a SIGCHLD for the parent, which looks for one first. */
	while (!t_seen("looked"))
		t_sleep_ms(1);
	chld_pending("SIGCHLD still pending", true);
	compare(&k);
	_exit((int)t_differences);
}

int main(void)
{
	sigset_t set, old;
	pid_t other;

	t_init();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	other = with_pending();
	for (unsigned int i = 0; i < N; i++)
		start(&kids[i], true);
	while (!t_seen("child"))
		t_sleep_ms(1);
	chld_pending("SIGCHLD", false);
	t_ready();
	if (t_spoiled()) {
		kill(kids[0].pid, SIGCONT);
		t_sleep_ms(20);
	}
	t_wait();
	chld_pending("SIGCHLD afterwards", false);
	t_touch("looked");
	for (unsigned int i = 0; i < N; i++)
		compare(&kids[i]);
	t_join_child("child with SIGCHLD pending", other);
	unlink("looked");
	return t_done();
}

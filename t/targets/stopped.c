/* SPDX-License-Identifier: MIT */
/*
 * Children that are stopped, by several signals, with their parent told about
 * it or not yet; they go on after SIGCONT as if nothing had been.
 */
#include <signal.h>

#include "target.h"

struct kid {
	const char *name;
	int sig;
	bool told;
	pid_t pid;
};

static struct kid kids[] = {
	{ .name = "SIGSTOP", .sig = SIGSTOP, .told = true },
	{ .name = "SIGTSTP", .sig = SIGTSTP, .told = true },
	{ .name = "SIGTTIN, untold", .sig = SIGTTIN },
	{ .name = "SIGSTOP, untold", .sig = SIGSTOP },
};

#define N (sizeof(kids) / sizeof(kids[0]))

static char state_of(pid_t pid)
{
	char path[64], text[512], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	t_read(path, text, sizeof(text));
	end = strrchr(text, ')');
	return end ? end[2] : '?';
}

static void stop(struct kid *k)
{
	siginfo_t info;

	k->pid = t_must(fork());
	if (k->pid == 0) {
		/* An orphaned group ignores the terminal's stop signals. */
		t_must(setpgid(0, 0));
		signal(k->sig, SIG_DFL);
		t_wait();
		_exit(42);
	}
	while (getpgid(k->pid) != k->pid)
		t_sleep_ms(1);
	t_must(kill(k->pid, k->sig));
	t_must(waitid(P_PID, (id_t)k->pid, &info, WSTOPPED | (k->told ? 0 : WNOWAIT)));
}

static void compare(struct kid *k)
{
	siginfo_t info = { 0 };
	char what[64];
	int status = 0;

	snprintf(what, sizeof(what), "%s: state", k->name);
	t_same(what, 'T', (uint64_t)state_of(k->pid));
	if (t_differences)
		return;
	t_must(waitid(P_PID, (id_t)k->pid, &info, WSTOPPED | WNOHANG));
	/* cr-restore(1), BUGS: told once more, and of SIGSTOP. */
	if (k->told && info.si_pid && !t_seen("restored"))
		t_differs("%s: told a second time", k->name);
	if (!k->told) {
		snprintf(what, sizeof(what), "%s: told with signal", k->name);
		t_same(what, (uint64_t)(t_seen("restored") ? SIGSTOP : k->sig),
		       (uint64_t)info.si_status);
	}
	t_must(kill(k->pid, SIGCONT));
	if (waitpid(k->pid, &status, 0) != k->pid)
		t_differs("%s: lost", k->name);
	snprintf(what, sizeof(what), "%s: wait status", k->name);
	t_same(what, 42 << 8, (uint64_t)status);
}

int main(void)
{
	t_init();
	for (unsigned int i = 0; i < N; i++)
		stop(&kids[i]);
	t_ready();
	if (t_spoiled()) {
		kill(kids[0].pid, SIGCONT);
		t_sleep_ms(20);
	}
	t_wait();
	for (unsigned int i = 0; i < N; i++)
		compare(&kids[i]);
	return t_done();
}

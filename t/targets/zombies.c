/* SPDX-License-Identifier: MIT */
/*
 * Children that have ended and were not waited for: exit statuses, deaths by
 * signal, one that leads the group and one that leads the session of a living
 * process ("leaders" as argument).
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "target.h"

struct dead {
	const char *name;
	int code;	/* exit status, or the signal */
	uid_t uid;
	bool killed;
	bool core;	/* where the kernel writes cores into files */
	pid_t pid;
	siginfo_t info;
};

static struct dead list[] = {
	{ .name = "exit 0", .code = 0 },
	{ .name = "exit 7", .code = 7 },
	{ .name = "exit 255", .code = 255 },
	{ .name = "SIGKILL", .code = SIGKILL, .killed = true },
	{ .name = "SIGTERM", .code = SIGTERM, .killed = true },
	{ .name = "SIGSEGV", .code = SIGSEGV, .killed = true },
	{ .name = "the C library's signal", .code = 33, .killed = true },
	{ .name = "SIGRTMAX", .code = 64, .killed = true },
	{ .name = "SIGABRT with core", .code = SIGABRT, .killed = true, .core = true },
	{ .name = "SIGBUS of nobody", .code = SIGBUS, .killed = true, .core = true, .uid = 65534 },
	{ .name = "exit 3 of nobody", .code = 3, .uid = 65534 },
};

#define N (sizeof(list) / sizeof(list[0]))

static void look(struct dead *d, siginfo_t *info)
{
	memset(info, 0, sizeof(*info));
	t_must(waitid(P_PID, (id_t)d->pid, info, WEXITED | WNOWAIT));
}

static void die(const struct dead *d)
{
	struct rlimit limit = { d->core ? 4096 : 0, d->core ? 4096 : 0 };
	static const uint64_t by_default[4], none;

	prctl(PR_SET_NAME, "dead");
	if (d->uid)
		t_must(setuid(d->uid));
	if (!d->killed)
		_exit(d->code);
	prctl(PR_SET_DUMPABLE, 1);	/* setuid() has taken it */
	setrlimit(RLIMIT_CORE, &limit);
	/* The C library lets nobody at its own signals, which make(1) has ignored. */
	syscall(SYS_rt_sigaction, d->code, by_default, NULL, 8);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
	kill(getpid(), d->code);
	_exit(96);
}

/* Waits until the test asks, in the group (and session) of a leader that died. */
static pid_t outlive(bool session)
{
	pid_t leader = t_must(fork()), member;

	if (leader == 0) {
		if (session)
			t_must(setsid());
		else
			t_must(setpgid(0, 0));
		member = t_must(fork());
		if (member == 0) {
			pid_t pgid = getpgid(0), sid = getsid(0);

			while (getppid() == pgid)
				t_sleep_ms(1);
			t_touch(session ? "in dead session" : "in dead group");
			t_wait();
			t_same("group of a dead leader", (uint64_t)pgid, (uint64_t)getpgid(0));
			t_same("session of a dead leader", (uint64_t)sid, (uint64_t)getsid(0));
			if (t_differences)
				t_touch("member failed");
			_exit(0);
		}
		_exit(0);
	}
	return leader;
}

static void wait_file(const char *name)
{
	while (!t_seen(name))
		t_sleep_ms(1);
}

static void compare(struct dead *d)
{
	siginfo_t is;
	char what[64];
	int status, want = d->killed ? d->code : d->code << 8;

	if (d->core)
		want |= 0x80;	/* WCOREDUMP */
	look(d, &is);
	snprintf(what, sizeof(what), "%s: si_code", d->name);
	t_same(what, (uint64_t)d->info.si_code, (uint64_t)is.si_code);
	snprintf(what, sizeof(what), "%s: si_status", d->name);
	t_same(what, (uint64_t)d->info.si_status, (uint64_t)is.si_status);
	snprintf(what, sizeof(what), "%s: si_uid", d->name);
	t_same(what, d->info.si_uid, is.si_uid);
	if (waitpid(d->pid, &status, WNOHANG) != d->pid)
		t_differs("%s: cannot be waited for", d->name);
	snprintf(what, sizeof(what), "%s: wait status", d->name);
	t_same(what, (uint64_t)want, (uint64_t)status);
}

int main(int argc, char **argv)
{
	char path[PATH_MAX + 32];
	pid_t group, session = 0;
	siginfo_t info;

	t_init();
	t_read("/proc/sys/kernel/core_pattern", path, sizeof(path));
	for (unsigned int i = 0; i < N; i++) {
		if (path[0] == '|' || path[0] == '@' || path[0] == '/')
			list[i].core = false;
		list[i].pid = t_must(fork());
		if (list[i].pid == 0)
			die(&list[i]);
		/* One after the other: their cores have the same name. */
		look(&list[i], &list[i].info);
		if (list[i].core && list[i].info.si_code != CLD_DUMPED)
			t_fatal("%s: no core was dumped", list[i].name);
	}
	if (argc > 1 && strcmp(argv[1], "leaders") == 0) {
		t_must(prctl(PR_SET_CHILD_SUBREAPER, 1));	/* they stay in the tree */
		group = outlive(false);
		session = outlive(true);
		t_must(waitid(P_PID, (id_t)group, &info, WEXITED | WNOWAIT));
		t_must(waitid(P_PID, (id_t)session, &info, WEXITED | WNOWAIT));
		wait_file("in dead group");
		wait_file("in dead session");
	}
	t_ready();
	if (t_spoiled())
		list[1].code = 8;
	t_wait();
	for (unsigned int i = 0; i < N; i++)
		compare(&list[i]);
	if (session) {
		t_join_child("dead group leader", group);
		t_join_child("dead session leader", session);
		while (waitpid(-1, NULL, 0) > 0)
			;	/* their members, which verify themselves */
	}
	t_name(path, sizeof(path), "member failed");
	t_true("members of dead leaders", access(path, F_OK) < 0);
	return t_done();
}

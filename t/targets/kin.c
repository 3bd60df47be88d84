/* SPDX-License-Identifier: MIT */
/*
 * Parents, sessions and process groups that no fork alone gives: orphans of
 * sessions and groups whose leader is gone, taken in by a subreaper; children
 * born before their parent's setsid(); siblings made with CLONE_PARENT; other
 * exit signals.  Each process verifies itself.
 */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

static const char *const members[] = {
	"orphan",      "orphan's child", "group of the dead", "another of the group",
	"elder",       "leader",	 "younger",	      "far leader",
	"adopted",     "far parent",	 "sibling",	      "quiet",
	"loud",	       "group left",	 "leaves group",      "deep orphan",
	"deep reaper",
};

#define MEMBERS (sizeof(members) / sizeof(members[0]))

struct place {
	pid_t parent, session, group;
	uint64_t exit_signal;
};

static struct place look(void)
{
	struct place p = { getppid(), getsid(0), getpgrp(), 0 };
	char text[1024], *s;

	t_read("/proc/self/stat", text, sizeof(text));
	s = strrchr(text, ')') + 1;
	/* Field 38; the first after the name is 3. */
	for (int i = 2; i < 38; i++)
		s = strchr(s, ' ') + 1;
	p.exit_signal = strtoul(s, NULL, 10);
	return p;
}

static void sign(const char *what, const char *name)
{
	char file[64];

	snprintf(file, sizeof(file), "%s %s", what, name);
	t_touch(file);
}

static bool signed_by(const char *what, const char *name)
{
	char file[64];

	snprintf(file, sizeof(file), "%s %s", what, name);
	return t_seen(file);
}

static void compare(const char *name, const struct place *was, bool parent)
{
	struct place is = look();
	char what[64];

	snprintf(what, sizeof(what), "%s: parent", name);
	if (parent)
		t_same(what, (uint64_t)was->parent, (uint64_t)is.parent);
	snprintf(what, sizeof(what), "%s: session", name);
	t_same(what, (uint64_t)was->session, (uint64_t)is.session);
	snprintf(what, sizeof(what), "%s: group", name);
	t_same(what, (uint64_t)was->group, (uint64_t)is.group);
	snprintf(what, sizeof(what), "%s: exit signal", name);
	if (parent)
		t_same(what, was->exit_signal, is.exit_signal);
}

static void until(bool (*seen)(const char *, const char *), const char *what, const char *name)
{
	while (!seen(what, name))
		t_sleep_ms(1);
}

/* In its place: remember it, and compare when asked. */
static void __attribute__((noreturn)) stay(const char *name)
{
	struct place was;

	sign("at", name);
	while (!t_seen("look"))
		t_sleep_ms(1);
	was = look();
	sign("looked", name);
	t_wait();
	compare(name, &was, true);
	if (t_differences == 0)
		sign("right", name);
	/* Whose children have to be able to look at their parent stays. */
	while (!t_seen("over"))
		t_sleep_ms(1);
	_exit(0);
}

static void orphaned(pid_t parent)
{
	while (getppid() == parent)
		t_sleep_ms(1);
}

static pid_t clone_with(uint64_t flags, int exit_signal)
{
	struct clone_args args = { .flags = flags, .exit_signal = (uint64_t)exit_signal };

	return t_must((pid_t)syscall(SYS_clone3, &args, sizeof(args)));
}

static void reap(pid_t pid)
{
	t_must(waitpid(pid, NULL, __WALL));
}

/* A session whose leader is gone, and in it a group whose leader is gone. */
static void dead_session(void)
{
	pid_t leader = t_must(fork()), group;

	if (leader == 0) {
		t_must(setsid());
		if (t_must(fork()) == 0) {
			orphaned(getsid(0));
			group = t_must(fork());
			if (group == 0) {
				t_must(setpgid(0, 0));
				for (int i = 0; i < 2; i++)
					if (t_must(fork()) == 0) {
						orphaned(getpgrp());
						stay(members[2 + i]);
					}
				_exit(0);
			}
			reap(group);
			if (t_must(fork()) == 0)
				stay("orphan's child");
			stay("orphan");
		}
		_exit(0);
	}
	reap(leader);
}

/* A child that is older than its parent's session. */
static void before_setsid(void)
{
	if (t_must(fork()))
		return;
	if (t_must(fork()) == 0)
		stay("elder");
	t_must(setsid());
	if (t_must(fork()) == 0)
		stay("younger");
	stay("leader");
}

/* An orphan whose session is led by a process far below its new parent. */
static void far_leader(void)
{
	pid_t middle, self;

	if (t_must(fork()))
		return;
	if (t_must(fork()) == 0) {
		t_must(setsid());
		middle = t_must(fork());
		if (middle == 0) {
			self = getpid();
			if (t_must(fork()) == 0) {
				orphaned(self);
				stay("adopted");
			}
			_exit(0);
		}
		reap(middle);
		stay("far leader");
	}
	stay("far parent");
}

/* The same below a subreaper that is not the root. */
static void deep_reaper(void)
{
	pid_t dead;

	if (t_must(fork()))
		return;
	t_must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	dead = t_must(fork());
	if (dead == 0) {
		t_must(setsid());
		if (t_must(fork()) == 0) {
			orphaned(getsid(0));
			stay("deep orphan");
		}
		_exit(0);
	}
	reap(dead);
	stay("deep reaper");
}

static void signals(void)
{
	pid_t maker = t_must(fork());

	if (maker == 0) {
		if (clone_with(CLONE_PARENT, 0) == 0)
			stay("sibling");
		_exit(0);
	}
	reap(maker);
	if (clone_with(0, 0) == 0)
		stay("quiet");
	if (clone_with(0, SIGUSR1) == 0)
		stay("loud");
}

/* A leader that has left its group to somebody else. */
static void group_left(void)
{
	if (t_must(fork()))
		return;
	t_must(setpgid(0, 0));
	if (t_must(fork()) == 0)
		stay("group left");
	t_must(setpgid(0, getpgid(getppid())));
	stay("leaves group");
}

int main(void)
{
	struct place was;

	t_init();
	signal(SIGUSR1, SIG_IGN);
	t_must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	dead_session();
	before_setsid();
	far_leader();
	deep_reaper();
	signals();
	group_left();
	for (unsigned int i = 0; i < MEMBERS; i++)
		until(signed_by, "at", members[i]);
	t_touch("look");
	was = look();
	for (unsigned int i = 0; i < MEMBERS; i++)
		until(signed_by, "looked", members[i]);
	t_ready();
	if (t_spoiled())
		was.group++;
	t_wait();
	compare("root", &was, false);
	for (unsigned int i = 0; i < MEMBERS; i++) {
		for (int n = 0; n < 3000 && !signed_by("right", members[i]); n++)
			t_sleep_ms(1);
		t_true(members[i], signed_by("right", members[i]));
	}
	t_touch("over");
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	return t_done();
}

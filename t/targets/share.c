/* SPDX-License-Identifier: MIT */
/*
 * Processes that share their descriptor table or their working directory and
 * umask: with a parent, with a grandparent over one that does not, with a
 * sibling only, in different combinations.  Each changes what it shares, and
 * all see exactly the changes that they should.
 */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "target.h"

/* By their classes: who has the same letter shares the table. */
static const struct member {
	const char *name;
	int maker;	/* index */
	uint64_t flags;	/* of clone3(2) */
	int unshare;	/* before it makes others */
	char files, fs;
} members[] = {
	{ "root", -1, 0, 0, 'a', 'a' },
	{ "both", 0, CLONE_FILES | CLONE_FS, 0, 'a', 'a' },
	{ "files", 0, CLONE_FILES, 0, 'a', 'b' },
	{ "fs", 0, CLONE_FS, 0, 'b', 'a' },
	{ "fs's child", 3, CLONE_FS | CLONE_FILES, 0, 'b', 'a' },
	{ "alone", 0, 0, 0, 'c', 'c' },
	{ "alone's child", 5, CLONE_FILES, 0, 'c', 'd' },
	{ "alone's grandchild", 6, CLONE_FILES | CLONE_FS, 0, 'c', 'd' },
	{ "leaver", 0, CLONE_FILES, CLONE_FILES, 'e', 'e' },
	{ "leaver's child", 8, CLONE_FS, 0, 'f', 'e' },
};

#define N ((int)(sizeof(members) / sizeof(members[0])))

static pid_t pids[N];

static void number_file(const char *what, int i, char *name, size_t size)
{
	snprintf(name, size, "%s-%d", what, i);
}

static void sign(const char *what, int i)
{
	char name[32];

	number_file(what, i, name, sizeof(name));
	t_touch(name);
}

static void await(const char *what)
{
	char name[32];

	for (int i = 0; i < N; i++) {
		number_file(what, i, name, sizeof(name));
		while (!t_seen(name))
			t_sleep_ms(1);
	}
}

/* Descriptors that exist: bit i is number 100 + i. */
static uint64_t open_numbers(void)
{
	uint64_t set = 0;

	for (int i = 0; i < N; i++)
		if (fcntl(100 + i, F_GETFD) >= 0)
			set |= 1ull << i;
	return set;
}

static uint64_t mates(int me, bool files)
{
	uint64_t set = 0;

	for (int i = 0; i < N; i++)
		if (files ? members[i].files == members[me].files : members[i].fs == members[me].fs)
			set |= 1ull << i;
	return set;
}

/* The first of a class sets its directory and umask; the last wins nothing. */
static int first_of(int me)
{
	for (int i = 0;; i++)
		if (members[i].fs == members[me].fs)
			return i;
}

static mode_t get_umask(void)
{
	char text[4096], *p;

	t_read("/proc/self/status", text, sizeof(text));
	p = strstr(text, "\nUmask:");
	return p ? (mode_t)strtoul(p + 7, NULL, 8) : 0;
}

static void compare(int me, const char *when)
{
	char cwd[PATH_MAX], want[PATH_MAX + 32], what[96], dir[32];
	int first = first_of(me);

	snprintf(what, sizeof(what), "%s, %s: descriptors", members[me].name, when);
	t_same(what, mates(me, true), open_numbers());
	number_file("dir", first, dir, sizeof(dir));
	t_name(want, sizeof(want), dir);
	if (!getcwd(cwd, sizeof(cwd)))
		t_fatal("getcwd");
	snprintf(what, sizeof(what), "%s, %s: working directory", members[me].name, when);
	t_same_str(what, want, cwd);
	snprintf(what, sizeof(what), "%s, %s: umask", members[me].name, when);
	t_same(what, (uint64_t)first + 1, get_umask());
}

static void live(int me);

static void make_others(int me)
{
	for (int i = 0; i < N; i++) {
		struct clone_args args = { .flags = members[i].flags, .exit_signal = SIGCHLD };

		if (members[i].maker != me)
			continue;
		pids[i] = t_must((pid_t)syscall(SYS_clone3, &args, sizeof(args)));
		if (pids[i] == 0) {
			live(i);
			_exit(t_differences ? 1 : 0);
		}
	}
}

/* Everything new after the restore is seen by the mates, too. */
static void change(int me)
{
	close(100 + me);
	sign("closed", me);
	await("closed");
	t_same("descriptors, all closed", 0, open_numbers());
	sign("seen", me);
	await("seen");
	t_must(dup2(STDOUT_FILENO, 100 + me));
	sign("opened", me);
	await("opened");
	compare(me, "after changes");
	sign("compared", me);
	await("compared");
}

static void live(int me)
{
	char name[32];

	if (members[me].unshare)
		t_must(unshare(members[me].unshare));
	make_others(me);
	sign("born", me);
	await("born");
	for (int i = 0; i < N; i++)
		close(100 + i);
	sign("clean", me);
	await("clean");
	t_must(dup2(STDOUT_FILENO, 100 + me));
	if (first_of(me) == me) {
		number_file("dir", me, name, sizeof(name));
		t_must(chdir(name));
		umask((mode_t)me + 1);
	}
	sign("set", me);
	await("set");
	compare(me, "before");
	sign("looked", me);
	if (me == 0) {
		await("looked");
		t_ready();
		if (t_spoiled())
			close(100 + me);
	}
	t_wait();
	compare(me, "after");
	sign("right", me);
	await("right");
	if (!t_spoiled())
		change(me);
	for (int i = 0; i < N; i++)
		if (members[i].maker == me)
			t_join_child(members[i].name, pids[i]);
}

/* So that it can verify itself once more when it is restored again. */
static void forget(void)
{
	static const char *const signs[] = { "right", "closed", "seen", "opened", "compared" };
	char name[32], path[PATH_MAX + 64];

	for (size_t k = 0; k < sizeof(signs) / sizeof(signs[0]); k++)
		for (int i = 0; i < N; i++) {
			number_file(signs[k], i, name, sizeof(name));
			t_name(path, sizeof(path), name);
			unlink(path);
		}
}

int main(void)
{
	char name[32], path[PATH_MAX + 32];

	t_init();
	for (int i = 0; i < N; i++) {
		number_file("dir", i, name, sizeof(name));
		t_name(path, sizeof(path), name);
		t_must(mkdir(path, 0777));
	}
	live(0);
	forget();
	return t_done();
}

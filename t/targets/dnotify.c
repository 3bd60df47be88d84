/* SPDX-License-Identifier: MIT */
/*
 * Directories that are watched by F_NOTIFY: for events once and many times, with
 * a signal of one's own, by two processes that share a description, and with an
 * owner that came first or went.
 */
#include <signal.h>

#include "target.h"

#define QUIET 100	/* ms in which nothing comes */
#define FDS 16
#define CHILDS 12	/* the number that a child has for what it shares */

static volatile sig_atomic_t told[FDS + 1];	/* the last: what is wrong */
static int many, once, common, ownerless, quiet, end[2];

static void on_signal(int sig, siginfo_t *info, void *context)
{
	int fd = info->si_fd;
	int want = fd == many ? SIGRTMIN + 1 : fd == common || fd == CHILDS ? SIGRTMIN + 2 : SIGIO;

	(void)context;
	told[fd >= 0 && fd < FDS && sig == want ? fd : FDS]++;
}

static int watch(const char *dir, int sig, unsigned long mask)
{
	int fd;

	mkdir(dir, 0700);
	fd = t_must(open(dir, O_RDONLY | O_DIRECTORY));
	/* Without it a signal says nothing of the descriptor. */
	t_must(fcntl(fd, F_SETSIG, sig));
	if (mask)
		t_must(fcntl(fd, F_NOTIFY, mask));
	return fd;
}

static void expect_told(const char *what, int fd, int times)
{
	for (int i = 0; times && i < 5000 && told[fd] < times; i++)
		t_sleep_ms(1);
	if (!times)
		t_sleep_ms(QUIET);
	t_same(what, (uint64_t)times, (uint64_t)told[fd]);
	told[fd] = 0;
}

/* It may be there, from an earlier restore. */
static void make(const char *dir, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	close(t_must(open(path, O_WRONLY | O_CREAT, 0600)));
}

/* Its signals go to the owner, the parent. */
static int run_child(void)
{
	int fd = t_must(fcntl(common, F_DUPFD, CHILDS));

	t_same("the number of a copy", CHILDS, (uint64_t)fd);
	t_must(fcntl(fd, F_NOTIFY, DN_MODIFY | DN_MULTISHOT));
	close(end[1]);
	t_touch("child");
	t_same("the end of the parent", 0, (uint64_t)read(end[0], &fd, 1));
	return t_done();
}

static void use_common(void)
{
	int fd = t_must(open("common/a", O_WRONLY | O_CREAT, 0600));

	expect_told("nothing of a creation", common, 0);
	t_must(write(fd, "x", 1));
	expect_told("what a child asked for", CHILDS, 1);
	expect_told("it alone", common, 0);
	t_must(fchmod(fd, 0640));
	close(fd);
	expect_told("what a process asked for", common, 1);
	t_must(unlink("common/a"));
	expect_told("and again", common, 1);
}

static void use_all(void)
{
	struct f_owner_ex ex = { .type = F_OWNER_PID, .pid = getpid() };

	make("many", "a");
	expect_told("a creation", many, 1);
	make("many", "b");
	expect_told("another one", many, 1);
	t_must(unlink("many/a"));
	expect_told("nothing of other events", many, 0);
	t_must(rename("once/old", "once/new") == 0 ? 0 : rename("once/new", "once/old"));
	expect_told("the only event", once, 1);
	make("once", "b");
	expect_told("no second one", once, 0);
	make("quiet", "a");
	expect_told("a directory that is not watched", quiet, 0);
	t_must(fcntl(ownerless, F_SETOWN_EX, &ex));
	make("ownerless", "a");
	expect_told("one that has got an owner now", ownerless, 1);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct f_owner_ex ex;
	pid_t child;

	t_init();
	for (int i = 1; i <= 2; i++)
		sigaction(SIGRTMIN + i, &sa, NULL);
	sigaction(SIGIO, &sa, NULL);
	many = watch("many", SIGRTMIN + 1, DN_CREATE | DN_MULTISHOT);
	mkdir("once", 0700);
	make("once", "old");
	once = watch("once", SIGIO, DN_CREATE | DN_RENAME);
	common = watch("common", SIGRTMIN + 2, DN_ATTRIB | DN_DELETE | DN_MULTISHOT);
	ownerless = watch("ownerless", SIGIO, DN_CREATE);
	t_must(fcntl(ownerless, F_SETOWN, 0));
	quiet = watch("quiet", SIGIO, 0);
	t_must(fcntl(quiet, F_SETOWN, getpid()));
	t_must(pipe(end));
	child = t_must(fork());
	if (child == 0)
		return run_child();
	while (!t_seen("child"))
		t_sleep_ms(1);
	t_ready();
	if (t_spoiled())
		t_must(fcntl(many, F_NOTIFY, 0));
	t_wait();
	for (int i = 0; i <= FDS; i++)
		t_same("nothing is told yet", 0, (uint64_t)told[i]);
	t_same("a signal", (uint64_t)(SIGRTMIN + 1), (uint64_t)fcntl(many, F_GETSIG));
	t_must(fcntl(many, F_GETOWN_EX, &ex));
	t_same("who asks is the owner", (uint64_t)getpid(), (uint64_t)ex.pid);
	t_must(fcntl(ownerless, F_GETOWN_EX, &ex));
	t_same("no owner", 0, (uint64_t)ex.pid);
	use_all();
	use_common();
	close(end[1]);
	t_join_child("the child", child);
	t_same("nothing else is told", 0, (uint64_t)told[FDS]);
	return t_done();
}

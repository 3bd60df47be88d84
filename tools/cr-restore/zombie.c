/* SPDX-License-Identifier: MIT */
#include "zombie.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "all-signals.h"
#include "clean.h"
#include "msg.h"
#include "own.h"

/* A dump is begun and cut off at its limit: the kernel calls that one as well. */
#define CORE_LIMIT 4096

static bool core_pattern(char *buf, size_t size)
{
	cr_auto_file FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");

	if (!f || !fgets(buf, (int)size, f))
		return false;
	buf[strcspn(buf, "\n")] = '\0';
	return buf[0] && buf[0] != '|' && buf[0] != '@'; /* a socket since 6.16 */
}

int zombie_check(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	int status = (int)t->task->exit_status;
	char pattern[160];
	struct rlimit lim;

	(void)r;
	if (!WIFEXITED(status) && !WIFSIGNALED(status))
		return cr_err_set(err, CR_BAD_INPUT, "pid %u: a zombie that did not end",
				  t->task->pid);
	if (!WIFSIGNALED(status) || !WCOREDUMP(status))
		return 0;
	if (core_pattern(pattern, sizeof(pattern)) && getrlimit(RLIMIT_CORE, &lim) == 0 &&
	    lim.rlim_max >= CORE_LIMIT)
		return 0;
	cr_msg("pid %u: a zombie that has dumped core: its status will lack that flag, "
	       "because nobody can dump core into a file here",
	       t->task->pid);
	return 0;
}

/*
 * A place where the core may fall, and which is gone with us: a file system of
 * our own, in which the pattern's directory exists.
 */
static bool prepare_core(void)
{
	struct rlimit lim = { CORE_LIMIT, CORE_LIMIT };
	char pattern[160];

	if (!core_pattern(pattern, sizeof(pattern)) || unshare(CLONE_NEWNS | CLONE_FS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc", "tmpfs", 0, "size=1m,mode=1777") < 0 || chdir("/proc") < 0 ||
	    chroot(".") < 0)
		return false;
	umask(0);
	for (char *p = strchr(pattern + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(pattern, 01777);
		*p = '/';
	}
	return setrlimit(RLIMIT_CORE, &lim) == 0;
}

/* Whose death it is: siginfo's si_uid, and what ps(1) shows. */
static int set_identity(const struct task_image *t, struct cr_err *err)
{
	const Cr__Creds *c = t->task->zombie_creds;

	prctl(PR_SET_NAME, t->task->comm);
	if (!c)
		return 0;
	if (syscall(SYS_setgroups, c->n_groups, c->groups) < 0 ||
	    setresgid(c->gid, c->egid, c->sgid) < 0 || setresuid(c->uid, c->euid, c->suid) < 0)
		return cr_err_sys(err, "unable to take the user and groups of a zombie");
	return 0;
}

int zombie_die(const struct task_image *t, struct cr_err *err)
{
	int status = (int)t->task->exit_status;
	struct rlimit none = { 0, 0 };
	bool core = WIFSIGNALED(status) && WCOREDUMP(status) && prepare_core();

	if (!core)
		setrlimit(RLIMIT_CORE, &none);
	if (set_identity(t, err) < 0)
		return -1;
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	/* A change of credentials has taken it. */
	prctl(PR_SET_DUMPABLE, core);
	/* Who called us may have it ignored. */
	own_by_default(WTERMSIG(status));
	cr_all_signals(SIG_UNBLOCK);
	if (kill(getpid(), WTERMSIG(status)) < 0)
		return cr_err_sys(err, "unable to die of signal %d", WTERMSIG(status));
	for (;;)
		pause();
}

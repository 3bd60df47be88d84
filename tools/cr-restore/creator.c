/* SPDX-License-Identifier: MIT */
#include "creator.h"

#include <errno.h>
#include <grp.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clean.h"

#define GROUPS_MAX 65536

int creator_compare(const Cr__UnixCred *a, const Cr__UnixCred *b)
{
	if (!a || !b)
		return !!a - !!b;
	if (a->tgid != b->tgid)
		return a->tgid < b->tgid ? -1 : 1;
	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	if (a->gid != b->gid)
		return a->gid < b->gid ? -1 : 1;
	if (a->n_groups != b->n_groups)
		return a->n_groups < b->n_groups ? -1 : 1;
	return a->n_groups ? memcmp(a->groups, b->groups, a->n_groups * sizeof(a->groups[0])) : 0;
}

/*
 * The effective ids and the groups are what a socket notes.  With the secure
 * bit the capabilities stay.  The C library would tell its other threads:
 * there are none, and a process that shares nothing but descriptors must not.
 */
static int set_ids(uid_t uid, gid_t gid, const gid_t *groups, size_t n, struct cr_err *err)
{
	if (syscall(SYS_setgroups, n, groups) < 0 ||
	    syscall(SYS_setresgid, (gid_t)-1, gid, (gid_t)-1) < 0 ||
	    syscall(SYS_setresuid, (uid_t)-1, uid, (uid_t)-1) < 0)
		return cr_err_sys(err, "unable to be user %u", uid);
	return 0;
}

static int become(const Cr__UnixCred *c, struct cr_err *err)
{
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0)
		return cr_err_sys(err, "PR_SET_SECUREBITS");
	return set_ids(c->uid, c->gid, c->groups, c->n_groups, err);
}

static bool is_own(const Cr__UnixCred *c, const gid_t *groups, int n)
{
	return c->uid == geteuid() && c->gid == getegid() && (int)c->n_groups == n &&
	       (!n || memcmp(groups, c->groups, (size_t)n * sizeof(*groups)) == 0);
}

static int run_here(struct restore *r, const Cr__UnixCred *c, creator_fn fn, void *ctx,
		    struct cr_err *err)
{
	cr_auto_free gid_t *groups = calloc(GROUPS_MAX, sizeof(*groups));
	int n = groups ? getgroups(GROUPS_MAX, groups) : -1;
	int bits = prctl(PR_GET_SECUREBITS), ret;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct cr_err second;

	if (n < 0 || bits < 0)
		return cr_err_sys(err, "unable to see our own credentials");
	if (is_own(c, groups, n))
		return fn(r, ctx, err);
	ret = become(c, err);
	if (ret == 0)
		ret = fn(r, ctx, err);
	if (set_ids(uid, gid, groups, (size_t)n, ret < 0 ? &second : err) < 0)
		return -1;
	if (prctl(PR_SET_SECUREBITS, bits) < 0 && ret == 0)
		ret = cr_err_sys(err, "PR_SET_SECUREBITS");
	return ret;
}

static long start(pid_t pid)
{
	struct clone_args args = {
		.flags = CLONE_FILES,
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&pid,
		.set_tid_size = 1,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

static int wait_for(pid_t pid, const struct cr_err *theirs, struct cr_err *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cr_err_sys(err, "waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!WIFEXITED(status))
		return cr_err_set(err, CR_SYSTEM, "process %d was killed", (int)pid);
	*err = *theirs;
	return -1;
}

int creator_run(struct restore *r, const Cr__UnixCred *cred, creator_fn fn, void *ctx,
		struct cr_err *err)
{
	static struct cr_err *theirs;
	long pid;

	if (!cred || !cred->tgid)
		return fn(r, ctx, err);
	if (cred->tgid == (uint32_t)getpid())
		return run_here(r, cred, fn, ctx, err);
	if (!theirs) {
		theirs = mmap(NULL, sizeof(*theirs), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (theirs == MAP_FAILED) {
			theirs = NULL;
			return cr_err_sys(err, "unable to map shared memory");
		}
	}
	pid = start((pid_t)cred->tgid);
	if (pid < 0)
		return run_here(r, cred, fn, ctx, err);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(become(cred, theirs) < 0 || fn(r, ctx, theirs) < 0);
	}
	return wait_for((pid_t)pid, theirs, err);
}

/* SPDX-License-Identifier: MIT */
#include "landlock.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444	/* 5.13 */
#endif
#define VERSION 1	/* LANDLOCK_CREATE_RULESET_VERSION */

/* One who may be seen by everybody with these ids. */
struct twin {
	uint32_t uid, gid;
	pid_t pid;
	struct twin *next;
};
static struct twin *twins;

static bool has_landlock(void)
{
	static int version;

	if (!version)
		version = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION) > 0 ? 1 : -1;
	return version > 0;
}

/* It holds nothing of ours when it becomes visible. */
static void be_twin(pid_t parent, uint32_t uid, uint32_t gid, int ready)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0 || syscall(SYS_capset, &head, none) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    getppid() != parent || write(ready, "", 1) != 1)
		_exit(1);
	syscall(SYS_close_range, 0, ~0u, 0);
	for (;;)
		pause();
}

static struct twin *make_twin(uint32_t uid, uint32_t gid, struct cr_err *err)
{
	struct twin *t = calloc(1, sizeof(*t));
	pid_t self = getpid();
	char byte;
	int fd[2];
	bool up;

	if (!t || pipe(fd) < 0) {
		free(t);
		cr_err_sys(err, "unable to make a pipe");
		return NULL;
	}
	t->uid = uid;
	t->gid = gid;
	t->pid = fork();
	if (t->pid == 0)
		be_twin(self, uid, gid, fd[1]);
	close(fd[1]);
	up = t->pid > 0 && read(fd[0], &byte, 1) == 1;
	close(fd[0]);
	t->next = twins;
	twins = t;
	if (up)
		return t;
	cr_err_set(err, CR_SYSTEM, "unable to make a process with uid %u and gid %u", uid, gid);
	return NULL;
}

static struct twin *find_twin(uint32_t uid, uint32_t gid, struct cr_err *err)
{
	for (struct twin *t = twins; t; t = t->next)
		if (t->uid == uid && t->gid == gid)
			return t;
	return make_twin(uid, gid, err);
}

void landlock_end(void)
{
	while (twins) {
		struct twin *t = twins;

		twins = t->next;
		if (t->pid > 0) {
			kill(t->pid, SIGKILL);
			waitpid(t->pid, NULL, 0);
		}
		free(t);
	}
}

static int ask(struct cr_session *s, pid_t pid, pid_t tid, pid_t twin, int64_t *result,
	       struct cr_err *err)
{
	struct cr_op op = {
		.type = CR_OP_SYSCALL,
		.expect = CR_EXPECT_ANY,
		.nr = SYS_kcmp,
		.arg = { pid, twin, LANDLOCK_KCMP_VM },
	};
	uint32_t id = (uint32_t)tid, done;

	*result = -EPERM;
	if (tid == pid) {
		if (cr_session_run(s, pid, &op, 1, NULL, 0, &done, err) < 0)
			return -1;
		*result = op.result;
		return 0;
	}
	op.result_at = 1;
	return cr_session_run_each(s, pid, &id, 1, &op, 1, result, sizeof(*result), err);
}

int landlock_check(struct cr_stage *st, struct cr_session *s, pid_t pid,
		   const struct landlock_thread *threads, size_t count, struct cr_err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct landlock_thread *th = &threads[i];
		struct twin *twin;
		int64_t result;
		char object[32];

		if (th->denied != -EPERM || !has_landlock())
			continue;
		twin = find_twin(th->uid, th->gid, err);
		if (!twin || ask(s, pid, th->tid, twin->pid, &result, err) < 0)
			return -1;
		if (result != -EPERM)
			continue;
		snprintf(object, sizeof(object), "thread %d", (int)th->tid);
		if (cr_stage_refuse(st, pid, object, "is in a Landlock domain: not supported",
				    "nothing tells its rules, so they could not be given back",
				    err) < 0)
			return -1;
	}
	return 0;
}

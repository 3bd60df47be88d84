/* SPDX-License-Identifier: MIT */
#include "alone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch.h"
#include "args.h"
#include "clean.h"
#include "inject.h"
#include "msg.h"
#include "parse.h"
#include "syscalls.h"
#include "watch.h"

#define SIGSET_BYTES 8

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

/* What to run, and its arguments in the agent's data. */
struct call {
	long nr;		/* -1: a blob */
	struct args args;
	struct cr_op op;
};

/* They would make another task run the agent, or leave this one without it. */
static int check_call(long nr, const char *name, struct cr_err *err)
{
	static const short never[] = {
		SYS_fork,   SYS_vfork,	  SYS_clone, SYS_clone3,
		SYS_execve, SYS_execveat, SYS_exit,  SYS_rt_sigreturn,
	};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (nr == never[i])
			return cr_err_set(err, CR_REFUSED,
					  "%s cannot be made on behalf of a process", name);
	return 0;
}

/* Do they keep the rest of their time where an interrupted call has its own? */
static bool uses_restart_block(long nr)
{
	return nr < 0 || nr == SYS_nanosleep || nr == SYS_clock_nanosleep || nr == SYS_poll ||
	       nr == SYS_futex || nr == SYS_restart_syscall;
}

static int prepare_call(struct call *c, const struct alone *job, struct cr_err *err)
{
	const char *name = job->argv[0];
	uint64_t number;

	c->nr = syscall_number(name);
	if (c->nr < 0 && cr_parse_u64(name, 10, 0, INT32_MAX, &number) == 0)
		c->nr = (long)number;
	if (c->nr < 0)
		return cr_err_set(err, CR_USAGE, "'%s': not the name of a system call", name);
	if (check_call(c->nr, name, err) < 0 ||
	    args_parse(&c->args, job->argv + 1, job->argc - 1, 0, err) < 0)
		return -1;
	c->op.type = CR_OP_SYSCALL;
	c->op.nr = (int32_t)c->nr;
	c->op.in_data = c->args.in_data;
	memcpy(c->op.arg, c->args.value, sizeof(c->op.arg));
	return 0;
}

static int read_blob(const char *path, struct args *a, uint32_t *offset, struct cr_err *err)
{
	cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size < 0)
		return cr_err_sys(err, "unable to open %s", path);
	if (!size)
		return cr_err_set(err, CR_REFUSED, "%s: it is empty", path);
	if (args_reserve(a, (size_t)size, offset, err) < 0)
		return -1;
	if (pread(fd, a->data + *offset, (size_t)size, 0) != size)
		return cr_err_sys(err, "unable to read %s", path);
	return 0;
}

/*
 * The data: what XSAVE keeps, the six arguments as the blob gets them, the
 * strings and buffers, the blob itself.
 */
static int prepare_blob(struct call *c, const struct alone *job, struct cr_err *err)
{
	uint32_t list = (uint32_t)cr_arch_xsave_size(), entry;

	c->nr = -1;
	if (args_parse(&c->args, job->argv, job->argc, list + ARGS_MAX * 8, err) < 0 ||
	    read_blob(job->blob, &c->args, &entry, err) < 0)
		return -1;
	c->op.type = CR_OP_CALL;
	c->op.in_data = 1 << 0 | 1 << 1 | 1 << 2;
	c->op.arg[0] = entry;
	c->op.arg[1] = list;
	c->op.arg[2] = 0;
	return 0;
}

/* Now that it is known where the data is. */
static void fill_blob_args(struct call *c, uint64_t data)
{
	int64_t list[ARGS_MAX];

	for (int i = 0; i < ARGS_MAX; i++)
		list[i] = c->args.value[i] + (c->args.in_data & 1u << i ? (int64_t)data : 0);
	memcpy(c->args.data + c->op.arg[1], list, sizeof(list));
}

struct sigaction_words {
	uint64_t handler, flags, restorer, mask;
};

static const int fault_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS };
#define N_FAULTS (sizeof(fault_signals) / sizeof(fault_signals[0]))

/* A blocked signal that a fault forces through loses its handler. */
static int save_handlers(struct cr_agent *a, struct sigaction_words *saved, struct cr_err *err)
{
	struct cr_op ops[N_FAULTS];
	uint32_t done;

	for (size_t i = 0; i < N_FAULTS; i++)
		ops[i] = (struct cr_op){
			.type = CR_OP_SYSCALL,
			.nr = SYS_rt_sigaction,
			.in_data = 1 << 2,
			.arg = { fault_signals[i], 0, (int64_t)(i * sizeof(*saved)), SIGSET_BYTES },
		};
	return cr_agent_run(a, ops, N_FAULTS, saved, N_FAULTS * sizeof(*saved), &done, err);
}

static void put_handler_back(struct cr_agent *a, int sig, const struct sigaction_words *saved)
{
	struct cr_err err;

	for (size_t i = 0; i < N_FAULTS; i++) {
		uint64_t args[6] = { (uint64_t)sig, cr_agent_data(a), 0, SIGSET_BYTES };
		long result;

		if (fault_signals[i] == sig &&
		    cr_agent_syscall(a, SYS_rt_sigaction, args, &saved[i], sizeof(saved[i]),
				     &result, &err) < 0)
			cr_msg("%s", err.msg);
	}
}

static int make_call(struct call *c, struct cr_process *p, const struct alone *job, int w,
		     struct cr_err *err)
{
	struct sigaction_words saved[N_FAULTS] = { 0 };
	struct cr_tracee *host = &p->threads[0];
	uint32_t done;

	if (uses_restart_block(c->nr) && cr_arch_restart(&host->regs) == CR_RESTART_BLOCK)
		cr_arch_restart_whole(&host->regs);
	if (cr_agent_inject(p, err) < 0 || (c->nr < 0 && save_handlers(p->agent, saved, err) < 0))
		return -1;
	if (c->nr < 0 && !cr_agent_can_call(p->agent))
		return cr_err_set(err, CR_REFUSED,
				  "pid %d: it forbids memory that is writable and executable "
				  "(PR_SET_MDWE, SELinux): no blob can run there",
				  (int)p->pid);
	if (watch_agent(w, p, err) < 0)
		return -1;
	/* Without a limit: in seven weeks. */
	cr_agent_set_limits(p->agent, job->timeout ? (unsigned int)job->timeout * 1000 : UINT_MAX,
			    &interrupted);
	if (c->nr < 0)
		fill_blob_args(c, cr_agent_data(p->agent));
	c->op.expect = CR_EXPECT_ANY;
	if (cr_agent_run(p->agent, &c->op, 1, c->args.data, c->args.used, &done, err) == 0)
		return 0;
	if (host->crash)
		put_handler_back(p->agent, host->crash, saved);
	return -1;
}

static int print_result(const struct call *c, struct cr_err *err)
{
	int64_t result = c->op.result;
	bool failed = c->nr >= 0 && result < 0 && result >= -4095;
	const char *name = failed ? strerrorname_np((int)-result) : NULL;

	if (failed)
		printf("-1 %s: %s\n", name ? name : "?", strerror((int)-result));
	else
		printf("%lld\n", (long long)result);
	args_print_buffers(stdout, &c->args);
	if (fflush(stdout))
		return cr_err_sys(err, "unable to write to stdout");
	return failed ? ALONE_CALL_FAILED : 0;
}

static int freeze_and_call(struct call *c, const struct alone *job, int w, struct cr_err *err)
{
	struct cr_tree *tree;
	bool ended;
	int ret;

	if (cr_tree_freeze(job->pid, false, (unsigned int)job->timeout * 1000, &tree, err) < 0)
		return -1;
	ret = make_call(c, tree->procs[0], job, w, err);
	ended = tree->procs[0]->threads[0].state == CR_TRACEE_GONE;
	cr_tree_thaw(tree);
	cr_tree_free(tree);
	if (ret < 0 && ended && c->nr == SYS_exit_group)
		return 0;
	return ret < 0 ? -1 : print_result(c, err);
}

/* Signals interrupt the call, and the process is let go. */
static int watched_call(struct call *c, const struct alone *job, struct cr_err *err)
{
	struct sigaction sa = { .sa_handler = on_signal };
	cr_auto_fd int w = -1;
	int ret;

	if (watch_begin(&w, err) < 0)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);	/* for the watcher's end */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	ret = freeze_and_call(c, job, w, err);
	watch_end(w);
	return ret;
}

int alone_run(const struct alone *job)
{
	cr_auto_free struct call *c = calloc(1, sizeof(*c));
	struct cr_err err = { 0 };
	int ret;

	if (!c)
		ret = cr_err_sys(&err, "out of memory");
	else
		ret = job->blob ? prepare_blob(c, job, &err) : prepare_call(c, job, &err);
	if (ret == 0)
		ret = watched_call(c, job, &err);
	return ret < 0 ? cr_err_report(&err) : ret;
}

/* SPDX-License-Identifier: MIT */
/*
 * cr-freeze: stop a process tree, say what only its tracer can see, and hold
 * it until the pipeline behind it has ended.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cgroups.h"
#include "clean.h"
#include "fault.h"
#include "finish.h"
#include "inject.h"
#include "msg.h"
#include "near.h"
#include "opt.h"
#include "proc.h"
#include "records.h"
#include "refuse.h"
#include "scheduling.h"
#include "server.h"
#include "stage-end.h"

/* Programs of the pipeline start in about a millisecond each; a tail that is
 * none of ours says nothing, and is waited for no longer than this. */
#define READY_MS 500
#define FREEZING_S 10
#define NOT_GIVEN UINT64_MAX

static struct {
	pid_t pid;
	const char *then;
	uint64_t timeout;
	const char *cgroup;
	bool shell_job;
} opts = { .then = "resume", .timeout = NOT_GIVEN };

static struct cgroup *cgroup;

static const struct cr_opt options[] = {
	{ 't', "tree", CR_OPT_PID, "PID", "freeze this process and its descendants", &opts.pid },
	{ 0, "then", CR_OPT_STR, "END", "after a commit: kill, resume or stop", &opts.then },
	{ 0, "timeout", CR_OPT_U64, "SECONDS", "let the tree go after that long", &opts.timeout },
	{ 0, "freeze-cgroup", CR_OPT_STR, "PATH", "freeze this cgroup while the tree is seized",
	  &opts.cgroup },
	{ 'j', "shell-job", CR_OPT_BOOL, NULL, "let the session be led from outside of the tree",
	  &opts.shell_job },
	{ 0, NULL, 0, NULL, NULL, NULL },
};

static const struct cr_opt_spec spec = {
	.name = "cr-freeze",
	.operands = "[-- CMD [ARG]...]",
	.purpose = "Freeze a process tree for the pipeline, or while CMD runs.",
	.opts = options,
	.max_operands = -1,
};

static const struct {
	const char *name;
	enum finish how;
} ends[] = { { "kill", FINISH_KILL }, { "resume", FINISH_RESUME }, { "stop", FINISH_STOP } };

static enum finish parse_end(const char *name)
{
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (strcmp(ends[i].name, name) == 0)
			return ends[i].how;
	cr_opt_usage("--then: '%s' is none of kill, resume, stop", name);
}

static void set_signals(void)
{
	signal(SIGCHLD, SIG_DFL);	/* ignored, the end of CMD would be lost */
	signal(SIGPIPE, SIG_IGN);
}

struct ending {
	enum finish how;
	struct server *srv;
};

/* What a killed process takes to end is what the stages take, too. */
static void on_killed(void *ctx)
{
	server_dismiss(ctx);
}

/* A tree that goes on anyway need not wait until the image is on the disk. */
static bool commit(struct cr_tree *tree, bool early, void *ctx)
{
	const struct ending *e = ctx;

	if (early && e->how != FINISH_RESUME)
		return false;
	finish_tree(tree, e->how, on_killed, e->srv);
	return true;
}

/* Without --timeout the freezing has a limit, and being frozen has none. */
static unsigned int freezing_ms(void)
{
	return (unsigned int)(opts.timeout == NOT_GIVEN ? FREEZING_S : opts.timeout) * 1000;
}

static unsigned int frozen_seconds(void)
{
	return opts.timeout == NOT_GIVEN ? 0 : (unsigned int)opts.timeout;
}

static int on_seized(void *ctx, struct cr_err *err)
{
	return cgroup_let_go(ctx, err);
}

static void on_detaching(void *ctx)
{
	cgroup_put_back(ctx);
}

static int freeze(struct cr_tree **tree, struct cr_err *err)
{
	int ret;

	if (!cgroup)
		return cr_tree_freeze(opts.pid, true, freezing_ms(), tree, err);
	if (cgroup_hold(cgroup, freezing_ms(), err) < 0)
		return -1;
	ret = cr_tree_freeze_held(opts.pid, freezing_ms(), on_seized, cgroup, tree, err);
	if (ret < 0)
		return -1;
	(*tree)->detaching = on_detaching;
	(*tree)->detaching_ctx = cgroup;
	return 0;
}

static int look_at_cgroup(struct cr_err *err)
{
	return opts.cgroup ? cgroup_open(opts.cgroup, opts.pid, &cgroup, err) : 0;
}

/* cr-freeze -t PID -- CMD: the exit status is CMD's. */
static int hold_while(char **argv)
{
	struct cr_tree *tree;
	struct cr_err err;
	int status;
	pid_t child;

	if (look_at_cgroup(&err) < 0 || freeze(&tree, &err) < 0) {
		cgroup_end(cgroup);
		return cr_err_report(&err);
	}
	child = fork();
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &tree->old_mask, NULL);
		execvp(argv[0], argv);
		cr_err_sys(&err, "unable to run %s", argv[0]);
		_exit(cr_err_report(&err));
	}
	while (child > 0 && waitpid(child, &status, 0) != child)
		;
	cr_tree_thaw(tree);
	cr_tree_free(tree);
	cgroup_end(cgroup);
	if (child < 0) {
		cr_err_sys(&err, "unable to fork");
		return cr_err_report(&err);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int emit(struct cr_writer *w, const struct cr_tree *tree, struct near *near,
		const struct sleepers *sl, unsigned int *refused, struct cr_err *err)
{
	cr_auto_free struct kin *kin = NULL;

	if (records_first(w, tree, err) < 0)
		return -1;
	kin = kin_read(tree, near, err);
	if (!kin || refuse_tree(w, tree, kin, opts.shell_job, refused, err) < 0 ||
	    records_tree(w, tree, kin, sl, err) < 0)
		return -1;
	cr_fault("before-end");
	return cr_writer_end(w, err);
}

/* What was not understood, or seemed to be missing, was of a process that died:
 * nothing but SIGKILL can end one that is frozen. */
static int check_alive(const struct cr_tree *tree, struct cr_err *err)
{
	for (unsigned int i = 0; i < tree->count; i++) {
		const struct cr_process *p = tree->procs[i];

		if (!p->zombie && cr_proc_ended(cr_process_eye(p)))
			return cr_err_set(err, CR_SYSTEM, "pid %d ended while it was frozen",
					  (int)p->pid);
	}
	return 0;
}

/* Everything between the first and the last moment of the freeze. */
static int frozen(struct server *srv, struct cr_writer *w, struct near *near, enum finish how,
		  struct cr_err *err)
{
	struct sleepers *sl = sleepers_sample(opts.pid);
	struct ending ending = { .how = how, .srv = srv };
	unsigned int refused = 0;
	struct cr_tree *tree;
	int ret;

	ret = freeze(&tree, err);
	if (ret == 0) {
		cr_fault("frozen");
		ret = emit(w, tree, near, sl, &refused, err);
		if ((ret < 0 || refused) && check_alive(tree, err) < 0)
			ret = -1;
		if (refused)
			server_forbid_commit(srv);
		if (ret == 0 && cr_stage_is_pipe(STDOUT_FILENO))
			ret = server_run(srv, tree, STDOUT_FILENO, frozen_seconds(), commit,
					 &ending, err);
		else if (ret == 0)
			ret = 1;	/* nothing can commit: shown, and that was all */
		if (!tree->ended_ns)
			cr_tree_thaw(tree);
		cr_tree_free(tree);
	}
	cgroup_end(cgroup);
	sleepers_free(sl);
	if (ret < 0)
		return -1;
	if (ret == 0)
		cr_debug("the pipeline ended without a commit; pid %d goes on", (int)opts.pid);
	return ret > 0 && !refused ? 0 : CR_REFUSED;
}

/* What need not be done while the tree is frozen. */
static int prepare(const struct near *near, struct cr_err *err)
{
	if (cr_tree_check_caller(opts.pid, near->list, near->count, err) < 0 ||
	    cgroups_prepare(opts.pid, err) < 0 || refuse_prepare(err) < 0 ||
	    scheduling_prepare(err) < 0)
		return -1;
	cr_agent_prepare(opts.pid);
	return 0;
}

static int run(struct server **srv, struct cr_writer **w, enum finish how, struct cr_err *err)
{
	struct near near;
	int ret;

	if (server_open(srv, err) < 0 || cr_stage_open_stdout(w, err) < 0 ||
	    look_at_cgroup(err) < 0 ||
	    records_header(*w, server_name(*srv), opts.pid, opts.shell_job, err) < 0 ||
	    cr_writer_flush(*w, err) < 0)
		return -1;
	cr_fault("header");
	near_sample(&near, opts.pid);
	ret = prepare(&near, err);
	if (ret == 0 && cr_stage_is_pipe(STDOUT_FILENO))
		ret = server_wait_ready(*srv, STDOUT_FILENO, READY_MS, err);
	near_update(&near);
	if (ret == 0)
		ret = frozen(*srv, *w, &near, how, err);
	near_release(&near);
	return ret;
}

int main(int argc, char **argv)
{
	int first = cr_opt_parse(&spec, argc, argv);
	enum finish how = parse_end(opts.then);
	struct server *srv = NULL;
	struct cr_writer *w = NULL;
	struct cr_err err;
	int ret;

	if (!opts.pid)
		cr_opt_usage("-t PID is missing (see -h)");
	if (opts.timeout != NOT_GIVEN && opts.timeout > 86400)
		cr_opt_usage("--timeout: at most 86400 seconds");
	set_signals();
	if (first < argc)
		return hold_while(argv + first);
	ret = run(&srv, &w, how, &err);
	if (ret < 0) {
		ret = cr_err_report(&err);
		if (w)
			cr_writer_fail(w, &err);
	}
	cr_writer_free(w);
	server_free(srv);
	return ret;
}

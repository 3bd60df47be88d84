/* SPDX-License-Identifier: MIT */
/*
 * cr-inject: run system calls inside of processes.  As a stage of the pipeline,
 * those that say what only a process itself can be asked.
 */
#include <stddef.h>
#include <string.h>

#include "alone.h"
#include "opt.h"
#include "pipeline.h"

static const char *session_keys;
static struct alone job = { .timeout = 10 };

static const struct cr_opt options[] = {
	{ 't', "tree", CR_OPT_PID, "PID", "make one call in this process, without a pipeline",
	  &job.pid },
	{ 0, "blob", CR_OPT_STR, "FILE", "with -t: run this position-independent code", &job.blob },
	{ 0, "timeout", CR_OPT_U64, "SECONDS", "with -t: give up after that long (10)",
	  &job.timeout },
	{ 0, "session-keys", CR_OPT_STR, "HOW", "ignore: leave keys of sessions behind",
	  &session_keys },
	{ 0, NULL, 0, NULL, NULL, NULL },
};

static const struct cr_opt_spec spec = {
	.name = "cr-inject",
	.operands = "[CALL] [ARG]...",
	.purpose = "Bring the agent into every frozen process and ask it about itself.",
	.opts = options,
	.max_operands = -1,
};

int main(int argc, char **argv)
{
	int first = cr_opt_parse(&spec, argc, argv);

	job.argv = argv + first;
	job.argc = argc - first;
	if (!job.pid && (job.blob || job.argc))
		cr_opt_usage("-t PID is missing (see -h)");
	if (job.pid && !job.blob && !job.argc)
		cr_opt_usage("the name of a system call is missing (see -h)");
	if (job.timeout > 86400)
		cr_opt_usage("--timeout: at most 86400 seconds");
	if (session_keys && strcmp(session_keys, "ignore") != 0)
		cr_opt_usage("--session-keys: '%s' is not ignore", session_keys);
	return job.pid ? alone_run(&job) : pipeline_run(session_keys != NULL);
}

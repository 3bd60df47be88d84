/* SPDX-License-Identifier: MIT */
/*
 * cr-inject: run system calls inside of frozen processes; as a stage of the
 * pipeline, those that say what only a process itself can be asked.
 */
#include <stddef.h>

#include "opt.h"
#include "pipeline.h"

static const struct cr_opt options[] = {
	{ 0, NULL, 0, NULL, NULL, NULL },
};

static const struct cr_opt_spec spec = {
	.name = "cr-inject",
	.operands = "",
	.purpose = "Bring the agent into every frozen process and ask it about itself.",
	.opts = options,
};

int main(int argc, char **argv)
{
	cr_opt_parse(&spec, argc, argv);
	return pipeline_run();
}

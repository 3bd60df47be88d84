/* SPDX-License-Identifier: MIT */
/*
 * cr-imgtool: show, check and commit images.
 */
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "imgtool.h"
#include "msg.h"
#include "opt.h"

static const struct cr_opt options[] = {
	{ 0, NULL, 0, NULL, NULL, NULL },
};

static const struct cr_opt_spec spec = {
	.name = "cr-imgtool",
	.operands = "show|check|commit [ARG]...",
	.purpose = "Show, check and commit images; 'cr-imgtool show -h' says more of one command.",
	.opts = options,
	.min_operands = 1,
	.max_operands = -1,
};

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "show", show_main },
	{ "check", check_main },
	{ "commit", commit_main },
};

int main(int argc, char **argv)
{
	int first = cr_opt_parse(&spec, argc, argv);

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[first], commands[i].name) != 0)
			continue;
		optind = 0;	/* getopt(3) starts anew */
		return commands[i].run(argc - first, argv + first);
	}
	cr_opt_usage("'%s' is none of show, check, commit", argv[first]);
}

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

#define MAX_OPTIONS 16

static const struct {
	const char *name;
	const struct cr_opt_spec *spec;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "show", &show_spec, show_main },
	{ "check", &check_spec, check_main },
	{ "commit", &commit_spec, commit_main },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* The options of all commands, for -h. */
static struct cr_opt options[MAX_OPTIONS + 1];

static const struct cr_opt_spec spec = {
	.name = "cr-imgtool",
	.operands = "show|check|commit [OPTION]... [DIR|FILE|-]",
	.purpose =
		"Show, check and commit images; 'cr-imgtool show -h' says what one command takes.",
	.opts = options,
	.min_operands = 1,
	.max_operands = -1,
};

static void collect_options(void)
{
	size_t n = 0;

	for (size_t i = 0; i < N_COMMANDS; i++)
		for (const struct cr_opt *o = commands[i].spec->opts; o->help && n < MAX_OPTIONS;
		     o++)
			options[n++] = *o;
}

/* An option before the command would be taken by the wrong one. */
static void refuse_early(char **argv, int first)
{
	for (int i = 1; i < first; i++)
		if (strcmp(argv[i], "-v") != 0 && strcmp(argv[i], "--verbose") != 0)
			cr_opt_usage("%s: options come after the command (see -h)", argv[i]);
}

int main(int argc, char **argv)
{
	int first;

	collect_options();
	first = cr_opt_parse(&spec, argc, argv);
	refuse_early(argv, first);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(argv[first], commands[i].name) != 0)
			continue;
		optind = 0;	/* getopt(3) starts anew */
		return commands[i].run(argc - first, argv + first);
	}
	cr_opt_usage("'%s' is none of show, check, commit", argv[first]);
}

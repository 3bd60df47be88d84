/* SPDX-License-Identifier: MIT */
#include "opt.h"

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "msg.h"
#include "parse.h"

#define MAX_OPTS 64
#define LONG_BASE 256

void cr_opt_usage(const char *fmt, ...)
{
	char line[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	cr_msg("%s", line);
	exit(CR_USAGE);
}

static void print_option(const struct cr_opt *o)
{
	char left[64];
	int n = 0;

	if (o->short_name)
		n = snprintf(left, sizeof(left), "-%c", o->short_name);
	if (o->long_name)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "%s--%s", n ? ", " : "    ",
			      o->long_name);
	if (o->type != CR_OPT_BOOL)
		snprintf(left + n, sizeof(left) - (size_t)n, " %s", o->arg);
	printf("  %-30s %s\n", left, o->help);
}

static void print_usage(const struct cr_opt_spec *spec)
{
	const struct cr_opt *o;

	printf("usage: %s [OPTION]...%s%s\n%s\n\n", spec->name, spec->operands[0] ? " " : "",
	       spec->operands, spec->purpose);
	for (o = spec->opts; o->help; o++)
		print_option(o);
	printf("  -v, --verbose                  say more on stderr\n"
	       "  -h, --help                     print this and exit\n"
	       "  -V, --version                  print the version and exit\n");
}

static int store_number(const struct cr_opt *o, const char *arg)
{
	uint64_t v;

	switch (o->type) {
	case CR_OPT_PID:
		return cr_parse_pid(arg, o->var);
	case CR_OPT_U64:
		return cr_parse_u64(arg, 10, 0, UINT64_MAX, o->var);
	case CR_OPT_SIZE:
		return cr_parse_size(arg, o->var);
	case CR_OPT_FD:
		if (cr_parse_u64(arg, 10, 0, INT_MAX, &v) < 0)
			return -1;
		*(int *)o->var = (int)v;
		return 0;
	default:
		return -1;
	}
}

static void store_item(struct cr_opt_list *list, const char *arg)
{
	const char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

	if (!items) {
		cr_msg("out of memory");
		exit(CR_SYSTEM);
	}
	items[list->count++] = arg;
	list->items = items;
}

static void store(const struct cr_opt *o, const char *arg)
{
	switch (o->type) {
	case CR_OPT_BOOL:
		*(bool *)o->var = true;
		return;
	case CR_OPT_STR:
		*(const char **)o->var = arg;
		return;
	case CR_OPT_LIST:
		store_item(o->var, arg);
		return;
	default:
		if (store_number(o, arg) < 0)
			cr_opt_usage("--%s: '%s' is not a valid %s",
				     o->long_name ? o->long_name : (char[]){ o->short_name, 0 },
				     arg, o->arg);
	}
}

/* Build what getopt_long() wants; the index of an option is its value. */
static void build_tables(const struct cr_opt_spec *spec, char *shorts, struct option *longs)
{
	const struct cr_opt *o;
	size_t s = 0, l = 0;

	shorts[s++] = '+';	/* options end at the first operand */
	shorts[s++] = ':';
	for (o = spec->opts; o->help; o++) {
		if (o->short_name) {
			shorts[s++] = o->short_name;
			if (o->type != CR_OPT_BOOL)
				shorts[s++] = ':';
		}
		if (o->long_name)
			longs[l++] = (struct option){ o->long_name, o->type != CR_OPT_BOOL, NULL,
						      LONG_BASE + (int)(o - spec->opts) };
	}
	memcpy(shorts + s, "vhV", 4);
	longs[l++] = (struct option){ "verbose", 0, NULL, 'v' };
	longs[l++] = (struct option){ "help", 0, NULL, 'h' };
	longs[l++] = (struct option){ "version", 0, NULL, 'V' };
	memset(&longs[l], 0, sizeof(longs[l]));
}

static const struct cr_opt *find(const struct cr_opt_spec *spec, int c)
{
	const struct cr_opt *o;

	if (c >= LONG_BASE)
		return &spec->opts[c - LONG_BASE];
	for (o = spec->opts; o->help; o++)
		if (o->short_name == c)
			return o;
	return NULL;
}

static void builtin(const struct cr_opt_spec *spec, int c, char **argv)
{
	switch (c) {
	case 'v':
		cr_verbose++;
		return;
	case 'h':
		print_usage(spec);
		exit(fflush(stdout) ? CR_SYSTEM : 0);
	case 'V':
		printf("%s %s\n", spec->name, CR_VERSION);
		exit(fflush(stdout) ? CR_SYSTEM : 0);
	case ':':
		cr_opt_usage("%s: an argument is missing (see -h)", argv[optind - 1]);
	default:
		cr_opt_usage("%s: unknown option (see -h)", argv[optind - 1]);
	}
}

/* A descriptor of ours that came to stand in the place of one of the standard ones
 * would be written to by every message, and handed on as one of them. */
static void open_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			exit(CR_SYSTEM);
}

int cr_opt_parse(const struct cr_opt_spec *spec, int argc, char **argv)
{
	char shorts[2 * MAX_OPTS + 8];
	struct option longs[MAX_OPTS + 4];
	const struct cr_opt *o;
	int c, left;

	cr_prog = spec->name;
	open_standard();
	build_tables(spec, shorts, longs);
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		o = find(spec, c);
		if (o)
			store(o, optarg);
		else
			builtin(spec, c, argv);
	}
	left = argc - optind;
	if (left < spec->min_operands)
		cr_opt_usage("an operand is missing: %s (see -h)", spec->operands);
	if (spec->max_operands >= 0 && left > spec->max_operands)
		cr_opt_usage("'%s': too many operands (see -h)", argv[optind + spec->max_operands]);
	return optind;
}

/* SPDX-License-Identifier: MIT */
/*
 * One table of options drives parsing, -h and the test of the manual.
 *
 * A tool gives a struct cr_opt_spec; cr_opt_parse() fills the variables that
 * the table points at, prints the usage on stdout and exits 0 for -h, prints
 * one line on stderr and exits 100 for anything it does not know, and returns
 * the index of the first operand.
 */
#ifndef CR_OPT_H
#define CR_OPT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cr_opt_type {
	CR_OPT_BOOL,	/* bool * */
	CR_OPT_STR,	/* const char ** */
	CR_OPT_PID,	/* pid_t * */
	CR_OPT_U64,	/* uint64_t *, decimal */
	CR_OPT_SIZE,	/* uint64_t *, with K, M or G */
	CR_OPT_FD,	/* int * */
	CR_OPT_LIST,	/* struct cr_opt_list *, may be given many times */
};

struct cr_opt_list {
	const char **items;
	unsigned int count;
};

struct cr_opt {
	char short_name;	/* 0: none */
	const char *long_name;	/* NULL: none */
	enum cr_opt_type type;
	const char *arg;	/* name of the argument in -h */
	const char *help;
	void *var;
};

struct cr_opt_spec {
	const char *name;	/* "cr-freeze" */
	const char *operands;	/* as in SYNOPSIS, after the options; may be "" */
	const char *purpose;	/* one line */
	const struct cr_opt *opts;	/* ends with a zero entry */
	int min_operands;
	int max_operands;	/* -1: any number */
};

int cr_opt_parse(const struct cr_opt_spec *spec, int argc, char **argv);

/* Print "PROG: ..." and exit 100: for what the table cannot check. */
void cr_opt_usage(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif

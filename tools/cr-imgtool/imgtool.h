/* SPDX-License-Identifier: MIT */
/* The commands of cr-imgtool: each parses its own options, argv[0] is its name. */
#ifndef IMGTOOL_H
#define IMGTOOL_H

#include "opt.h"

extern const struct cr_opt_spec show_spec, check_spec, commit_spec;
int show_main(int argc, char **argv);
int check_main(int argc, char **argv);
int commit_main(int argc, char **argv);

#endif

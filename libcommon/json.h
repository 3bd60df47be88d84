/* SPDX-License-Identifier: MIT */
/*
 * A text as a JSON string, with its quotes.
 *
 * Linux file names are bytes.  A byte that is no UTF-8 becomes the lone
 * surrogate U+DC00 + byte, as Python's "surrogateescape" has it: the JSON is
 * valid by its grammar, and the name can be had back.
 */
#ifndef CR_JSON_H
#define CR_JSON_H

#include <stdio.h>

void cr_json_string(FILE *out, const char *text);

#endif

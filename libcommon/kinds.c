/* SPDX-License-Identifier: MIT */
/* The table of record kinds, made from the marks in schemas/. */
#include <string.h>

#include "schemas.h"
#include "stream.h"

static const struct cr_kind_info kinds[] = {
#define CR_KIND(number, upper, lower, opt) { number, #lower, opt, &cr__##lower##__descriptor },
#include "kinds.inc"
#undef CR_KIND
};

const struct cr_kind_info *cr_kind_by_number(unsigned int kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == kind)
			return &kinds[i];
	return NULL;
}

const struct cr_kind_info *cr_kind_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/* What no kind takes is refused by name. */
#include "kinds.h"
#include "natures.h"

static bool match(const struct file *f)
{
	(void)f;
	return true;
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	char kind[64];

	nature_of(f, kind, sizeof(kind));
	return file_refuse(d, f, kind, "not supported", "close it", err);
}

const struct file_kind kind_other = { .name = "other", .match = match, .dump = dump };

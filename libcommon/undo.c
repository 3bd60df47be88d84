/* SPDX-License-Identifier: MIT */
#include "undo.h"

#include <stdio.h>
#include <stdlib.h>

#include "msg.h"

struct cr_undo {
	struct cr_undo *next;	/* older */
	cr_undo_fn fn;
	void *ctx;
	uint64_t arg;
	char what[64];
};

int cr_undo_push(struct cr_undo **list, const char *what, cr_undo_fn fn, void *ctx, uint64_t arg,
		 struct cr_err *err)
{
	struct cr_undo *u = calloc(1, sizeof(*u));

	if (!u)
		return cr_err_sys(err, "out of memory");
	snprintf(u->what, sizeof(u->what), "%s", what);
	u->fn = fn;
	u->ctx = ctx;
	u->arg = arg;
	u->next = *list;
	*list = u;
	return 0;
}

void cr_undo_pop(struct cr_undo **list)
{
	struct cr_undo *u = *list;

	if (!u)
		return;
	*list = u->next;
	free(u);
}

unsigned int cr_undo_run(struct cr_undo **list)
{
	unsigned int failed = 0;
	struct cr_err err;

	for (; *list; cr_undo_pop(list)) {
		struct cr_undo *u = *list;

		if (u->fn(u->ctx, u->arg, &err) == 0)
			continue;
		failed++;
		cr_msg("unable to %s: %s", u->what, err.msg);
	}
	return failed;
}

void cr_undo_drop(struct cr_undo **list)
{
	while (*list)
		cr_undo_pop(list);
}

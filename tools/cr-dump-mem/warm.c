/* SPDX-License-Identifier: MIT */
#include "warm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clean.h"
#include "msg.h"
#include "proc.h"
#include "vdso.h"

#define MAX_DEPTH 64

/* Names in status (4.5) of what may have to be written. */
static const char *const sizes[] = { "RssAnon", "RssShmem", "VmSwap" };

static uint64_t own_bytes(pid_t pid)
{
	cr_auto_free char *status = NULL;
	struct cr_err ignored;
	uint64_t sum = 0, kib;
	const char *p;

	if (cr_proc_read(pid, "status", &status, NULL, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		p = cr_proc_field(status, sizes[i]);
		if (p && sscanf(p, "%" SCNu64, &kib) == 1)
			sum += kib << 10;
	}
	return sum;
}

static uint64_t tree_bytes(pid_t pid, unsigned int depth)
{
	cr_auto_free pid_t *kids = NULL;
	struct cr_err ignored;
	unsigned int n = 0;
	uint64_t sum = own_bytes(pid);

	if (depth < MAX_DEPTH && cr_proc_children(pid, &kids, &n, &ignored) < 0)
		return sum;
	for (unsigned int i = 0; i < n; i++)
		sum += tree_bytes(kids[i], depth + 1);
	return sum;
}

void warm_up(struct dump *d, pid_t root)
{
	const struct target t = { .pid = root, .eye = root };
	struct cr_vdso vdso;
	struct cr_err ignored;

	if (cr_vdso_own(&vdso, &ignored) < 0)
		return;
	d->rehearsal = true;
	if (mm_dump(d, &t, &ignored) == 0)
		cr_debug("rehearsed with pid %d", (int)root);
	d->rehearsal = false;
	d->n_mappings = 0;
	if (d->pool)
		pool_reserve(d->pool, tree_bytes(root, 0));
}

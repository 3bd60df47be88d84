/* SPDX-License-Identifier: MIT */
#include "warm.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "clean.h"
#include "msg.h"
#include "proc.h"
#include "vdso.h"

#define MAX_DEPTH 64
#define WORTH_A_LOOK (16u << 20)
#define QUICKLY (2u << 20)
#define FEW_MAPPINGS 256

/* Names in status (4.5) of what may have to be written, beside RssAnon. */
static const char *const sizes[] = { "RssShmem", "VmSwap", "HugetlbPages" };

static bool bytes_of(const char *text, const char *name, uint64_t *bytes)
{
	const char *p = cr_proc_field(text, name);

	if (!p || sscanf(p, "%" SCNu64, bytes) != 1)
		return false;
	*bytes <<= 10;
	return true;
}

/* Of many pages, those that others share are theirs too (Pss_Anon, 5.4). */
static uint64_t own_share(pid_t pid, uint64_t all)
{
	cr_auto_free char *rollup = NULL;
	struct cr_err ignored;
	uint64_t bytes;

	if (all < WORTH_A_LOOK || cr_proc_read(pid, "smaps_rollup", &rollup, NULL, &ignored) < 0)
		return all;
	return bytes_of(rollup, "Pss_Anon", &bytes) ? bytes : all;
}

static uint64_t own_bytes(pid_t pid, bool alone)
{
	cr_auto_free char *status = NULL;
	struct cr_err ignored;
	uint64_t sum = 0, bytes;

	if (cr_proc_read(pid, "status", &status, NULL, &ignored) < 0)
		return 0;
	if (bytes_of(status, "RssAnon", &bytes))
		sum = alone ? bytes : own_share(pid, bytes);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (bytes_of(status, sizes[i], &bytes))
			sum += bytes;
	return sum;
}

static uint64_t tree_bytes(pid_t pid, unsigned int depth)
{
	cr_auto_free pid_t *kids = NULL;
	struct cr_err ignored;
	unsigned int n = 0;
	uint64_t sum;

	if (depth < MAX_DEPTH && cr_proc_children(pid, &kids, &n, &ignored) < 0)
		n = 0;
	sum = own_bytes(pid, !depth && !n);
	for (unsigned int i = 0; i < n; i++)
		sum += tree_bytes(kids[i], depth + 1);
	return sum;
}

void warm_up(struct dump *d, pid_t root)
{
	const struct target t = { .pid = root, .eye = root };
	struct cr_vdso vdso;
	struct cr_err ignored;
	uint64_t bytes;

	if (cr_vdso_own(&vdso, &ignored) < 0)
		return;
	d->rehearsal = true;
	if (mm_dump(d, &t, &ignored) == 0)
		cr_debug("rehearsed with pid %d", (int)root);
	d->rehearsal = false;
	bytes = tree_bytes(root, 0);
	d->small = bytes <= QUICKLY && d->n_mappings <= FEW_MAPPINGS;
	d->n_mappings = 0;
	if (!d->pool)
		return;
	/* It takes less than the first record does. */
	if (d->small)
		cr_stage_prepared(d->st);
	pool_reserve(d->pool, bytes);
}

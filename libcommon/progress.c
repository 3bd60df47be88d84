/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "msg.h"
#include "tree.h"

#define FIRST_NS 1000000000ull
#define STEP_NS 200000000ull

void cr_progress_begin(struct cr_progress *p, const char *stage, uint64_t total)
{
	memset(p, 0, sizeof(*p));
	p->stage = stage;
	p->total = total;
	p->on = isatty(STDERR_FILENO);
	p->began_ns = p->on ? cr_now_ns() : 0;
	p->next_ns = p->began_ns + FIRST_NS;
}

static void put_size(char *buf, size_t size, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned int u = 0;

	for (; bytes >= 1024 && u < 4; u++)
		bytes /= 1024;
	snprintf(buf, size, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

static void show(struct cr_progress *p, uint64_t now)
{
	double seconds = (double)(now - p->began_ns) / 1e9;
	double rate = (double)p->done / seconds;
	char done[24], total[24], speed[24];

	put_size(done, sizeof(done), (double)p->done);
	put_size(total, sizeof(total), (double)p->total);
	put_size(speed, sizeof(speed), rate);
	fprintf(stderr, "\r%s: %s: %s", cr_prog, p->stage, done);
	if (p->total)
		fprintf(stderr, " of %s", total);
	fprintf(stderr, ", %s/s", speed);
	if (p->total > p->done && p->done)
		fprintf(stderr, ", %.0f s left", (double)(p->total - p->done) / rate + 0.5);
	fputs("\033[K", stderr);
	fflush(stderr);
	p->shown = true;
}

void cr_progress_add(struct cr_progress *p, uint64_t bytes)
{
	uint64_t now;

	p->done += bytes;
	if (!p->on)
		return;
	now = cr_now_ns();
	if (now < p->next_ns)
		return;
	p->next_ns = now + STEP_NS;
	show(p, now);
}

void cr_progress_wipe(struct cr_progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

void cr_progress_end(struct cr_progress *p)
{
	cr_progress_wipe(p);
	p->on = false;
}

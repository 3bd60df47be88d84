/* SPDX-License-Identifier: MIT */
#include "clocks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "msg.h"
#include "proc.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80	/* 5.6 */
#endif
#define NS INT64_C(1000000000)

struct clocks {
	int64_t monotonic, boottime;
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

/* What the tree saw last. */
static struct clocks at_dump(const struct restore *r)
{
	const Cr__Header *h = r->img.header;
	struct clocks c = { (int64_t)h->monotonic_ns, (int64_t)h->boottime_ns };
	int64_t last = c.monotonic;

	for (unsigned int i = 0; i < r->img.n_tasks; i++)
		if ((int64_t)r->img.tasks[i].task->frozen_ns > last)
			last = (int64_t)r->img.tasks[i].task->frozen_ns;
	c.boottime += last - c.monotonic;
	c.monotonic = last;
	return c;
}

void clocks_check(struct restore *r)
{
	struct clocks then = at_dump(r);
	int64_t behind = then.monotonic - clock_ns(CLOCK_MONOTONIC);

	if (then.boottime - clock_ns(CLOCK_BOOTTIME) > behind)
		behind = then.boottime - clock_ns(CLOCK_BOOTTIME);
	if (r->opts.time_ns && access("/proc/self/ns/time", F_OK) < 0)
		refuse(r, 0, "", "--time-ns: this kernel has no time namespaces");
	else if (!r->opts.time_ns && behind > 0)
		cr_msg("CLOCK_MONOTONIC and CLOCK_BOOTTIME go back by up to %" PRId64
		       " s for the tree (was the machine booted?); use --time-ns",
		       behind / NS + 1);
}

/* The offsets of our own namespace, from those of the first one. */
static int own_offsets(struct clocks *c, struct cr_err *err)
{
	cr_auto_free char *text = NULL;
	int64_t s[2], ns[2];

	if (cr_proc_read(getpid(), "timens_offsets", &text, NULL, err) < 0)
		return -1;
	if (sscanf(text, "monotonic %" SCNd64 " %" SCNd64 "\nboottime %" SCNd64 " %" SCNd64, &s[0],
		   &ns[0], &s[1], &ns[1]) != 4)
		return cr_err_set(err, CR_SYSTEM, "/proc/self/timens_offsets: not understood");
	c->monotonic = s[0] * NS + ns[0];
	c->boottime = s[1] * NS + ns[1];
	return 0;
}

static int64_t floor_seconds(int64_t ns)
{
	return ns / NS - (ns % NS < 0);
}

static int set_offset(int fd, const char *clock, int64_t ns, struct cr_err *err)
{
	int64_t s = floor_seconds(ns);
	char text[96];
	int n = snprintf(text, sizeof(text), "%s %" PRId64 " %" PRId64, clock, s, ns - s * NS);

	if (write(fd, text, (size_t)n) != n)
		return cr_err_sys(err, "unable to set the time namespace's %s to %" PRId64 " s",
				  clock, s);
	return 0;
}

int clocks_enter(struct restore *r, struct cr_err *err)
{
	struct clocks then = at_dump(r), own = { 0 };
	cr_auto_fd int fd = -1;

	if (!r->opts.time_ns)
		return 0;
	if (own_offsets(&own, err) < 0)
		return -1;
	if (unshare(CLONE_NEWTIME) < 0)
		return cr_err_sys(err, "unable to make a time namespace");
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "unable to open /proc/self/timens_offsets");
	if (set_offset(fd, "monotonic", then.monotonic - clock_ns(CLOCK_MONOTONIC) + own.monotonic,
		       err) < 0)
		return -1;
	return set_offset(fd, "boottime", then.boottime - clock_ns(CLOCK_BOOTTIME) + own.boottime,
			  err);
}

int clocks_leave(struct restore *r, struct cr_err *err)
{
	cr_auto_fd int fd = -1;

	if (!r->opts.time_ns)
		return 0;
	/* Threads of ours could not be made while our children go elsewhere. */
	fd = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0)
		return cr_err_sys(err, "unable to leave the time namespace");
	return 0;
}

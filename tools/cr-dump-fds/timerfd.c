/* SPDX-License-Identifier: MIT */
/* timerfd: clock, setting and what has not been read, from fdinfo. */
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>

#include "clean.h"
#include "kinds.h"
#include "timer-clock.h"

#define TRIES 8

static bool match(const struct file *f)
{
	return file_target_is(f, "anon_inode:[timerfd]");
}

/* "it_value: (3, 141592653)" */
static int get_time(const struct file *f, const char *name, uint64_t *ns, struct cr_err *err)
{
	const char *p = file_info(f, name);
	unsigned long long s, n;

	if (!p || sscanf(p, "(%llu, %llu)", &s, &n) != 2)
		return cr_err_set(err, CR_SYSTEM, "fdinfo has no %s that is understood", name);
	*ns = s * 1000000000u + n;
	return 0;
}

static int parse(const struct file *f, Cr__TimerFd *m, struct cr_err *err)
{
	uint64_t v[2];

	if (file_info_number(f, "clockid", 10, &v[0], err) < 0 ||
	    file_info_number(f, "settime flags", 8, &v[1], err) < 0 ||
	    file_info_number(f, "ticks", 10, &m->ticks, err) < 0 ||
	    get_time(f, "it_value", &m->value_ns, err) < 0 ||
	    get_time(f, "it_interval", &m->interval_ns, err) < 0)
		return -1;
	m->clock = (uint32_t)v[0];
	m->settime_flags = (uint32_t)v[1];
	return 0;
}

/*
 * After an expiration that nobody has read, the kernel forwards a periodic
 * timer only when it is asked; then it counts what has passed and knows when
 * the next one comes.  The owner sees the same whether we ask or it does.
 */
static int forward(struct file *f, struct cr_err *err)
{
	cr_auto_fd int fd = file_get(f, err);
	struct itimerspec unused;

	if (fd < 0)
		return -1;
	if (timerfd_gettime(fd, &unused) < 0)
		return cr_err_sys(err, "timerfd_gettime");
	return file_info_again(f, err);
}

/* Ticks and time must be of the same moment; what expires faster than we read
 * expires at once after the restore. */
static int parse_stable(struct file *f, Cr__TimerFd *m, struct cr_err *err)
{
	uint64_t before;

	if (parse(f, m, err) < 0)
		return -1;
	for (int tries = 0; tries < TRIES && (m->value_ns || m->interval_ns); tries++) {
		before = m->ticks;
		if ((m->value_ns ? file_info_again(f, err) : forward(f, err)) < 0 ||
		    parse(f, m, err) < 0)
			return -1;
		if (m->ticks == before && m->value_ns)
			return 0;
	}
	if (m->interval_ns && !m->value_ns)
		m->value_ns = 1;
	return 0;
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__TimerFd m = CR__TIMER_FD__INIT;
	struct timespec now;

	m.id = f->id;
	m.open_flags = f->flags;
	if (parse_stable(f, &m, err) < 0)
		return -1;
	if (clock_gettime(cr_clock_without_alarm((clockid_t)m.clock), &now) < 0)
		return cr_err_sys(err, "clock_gettime of its clock %u", m.clock);
	m.clock_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	return cr_stage_put(d->st, CR_KIND_TIMER_FD, &m, err);
}

const struct file_kind kind_timerfd = { .name = "timerfd", .match = match, .dump = dump };

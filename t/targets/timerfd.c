/* SPDX-License-Identifier: MIT */
/*
 * timerfd: disarmed, running, periodic, expired and not yet read, absolute,
 * of several clocks, of those that wake the machine too.  A relative timer does
 * not run while the process is away.
 */
#include <sys/timerfd.h>

#include "target.h"

#define LONG_NS (3600ull * 1000000000)

static int disarmed, once, periodic, expired, ticked, absolute, past, boot, alarms[2];
static uint64_t absolute_at;

static uint64_t ns(struct timespec ts)
{
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct timespec ts_of(uint64_t v)
{
	return (struct timespec){ (time_t)(v / 1000000000), (long)(v % 1000000000) };
}

static int make(clockid_t clock, int flags, int set, uint64_t value, uint64_t interval)
{
	int fd = t_must(timerfd_create(clock, flags));
	struct itimerspec its = { ts_of(interval), ts_of(value) };

	t_must(timerfd_settime(fd, set, &its, NULL));
	return fd;
}

static uint64_t left(int fd, uint64_t *interval)
{
	struct itimerspec its;

	t_must(timerfd_gettime(fd, &its));
	if (interval)
		*interval = ns(its.it_interval);
	return ns(its.it_value);
}

static uint64_t ticks(int fd)
{
	uint64_t v = 0;

	return read(fd, &v, sizeof(v)) == sizeof(v) ? v : 0;
}

static uint64_t realtime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ns(ts);
}

/* An hour, from which what was away is not taken. */
static void check_hour(const char *what, int fd, uint64_t want_interval)
{
	uint64_t interval, v = left(fd, &interval);

	t_same(what, want_interval, interval);
	if (v > LONG_NS || v < LONG_NS - 600ull * 1000000000)
		t_differs("%s: %llu ns are left", what, (unsigned long long)v);
}

static void check(void)
{
	uint64_t interval, v;

	t_same("disarmed", 0, left(disarmed, NULL));
	t_same("flags", O_RDWR | O_NONBLOCK, (uint64_t)fcntl(disarmed, F_GETFL));
	check_hour("once", once, 0);
	check_hour("periodic", periodic, 1000000000);
	check_hour("boottime", boot, 0);
	check_hour("boottime that wakes", alarms[0], 0);
	check_hour("realtime that wakes", alarms[1], 0);
	t_same("expired: time", 0, left(expired, NULL));
	t_same("expired: ticks", 1, ticks(expired));
	/* It went on ticking while nobody read. */
	v = left(ticked, &interval);
	t_same("ticking: interval", 30000000, interval);
	t_true("ticking: time", v > 0 && v <= 30000000);
	t_true("ticking: ticks", ticks(ticked) >= 3);
	t_sleep_ms(40);
	t_true("ticking: it goes on", ticks(ticked) >= 1);
	v = left(absolute, NULL);
	if (v + realtime() > absolute_at + 1000000000 || v + realtime() + 1000000000 < absolute_at)
		t_differs("absolute: it moved, %llu ns are left", (unsigned long long)v);
	/* Due 100 ms after the start, however long that took. */
	t_same("past: ticks", 1, ticks(past));
}

int main(void)
{
	t_init();
	disarmed = t_must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
	once = make(CLOCK_MONOTONIC, 0, 0, LONG_NS, 0);
	periodic = make(CLOCK_REALTIME, 0, 0, LONG_NS, 1000000000);
	boot = make(CLOCK_BOOTTIME, TFD_NONBLOCK, 0, LONG_NS, 0);
	alarms[0] = make(CLOCK_BOOTTIME_ALARM, 0, 0, LONG_NS, 0);
	alarms[1] = make(CLOCK_REALTIME_ALARM, 0, TFD_TIMER_ABSTIME, realtime() + LONG_NS, 0);
	expired = make(CLOCK_MONOTONIC, TFD_NONBLOCK, 0, 1000, 0);
	ticked = make(CLOCK_MONOTONIC, TFD_NONBLOCK, 0, 30000000, 30000000);
	absolute_at = realtime() + LONG_NS;
	absolute = make(CLOCK_REALTIME, 0, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, absolute_at,
			0);
	past = make(CLOCK_REALTIME, 0, TFD_TIMER_ABSTIME, realtime() + 100000000, 0);
	t_sleep_ms(95);
	t_ready();
	if (t_spoiled())
		ticks(expired);
	t_wait();
	check();
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * timerfd: armed for the time that it still had.  One with an absolute time
 * keeps that as long as its clock is the same one: the realtime clocks, and
 * all of them until the next boot.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "clean.h"
#include "file-kinds.h"
#include "ns.h"
#include "restore.h"
#include "timer-clock.h"

#ifndef TFD_IOC_SET_TICKS /* 3.17 */
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

static bool same_clock(const struct restore *r, uint32_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || boot_is_same(r);
}

static int arm(const struct restore *r, int fd, const Cr__TimerFd *m, struct cr_err *err)
{
	struct itimerspec its = { .it_interval = cr_ns_timespec(m->interval_ns) };
	uint64_t value = m->value_ns;
	struct timespec now;

	if (m->settime_flags & TFD_TIMER_ABSTIME) {
		if (clock_gettime(cr_clock_without_alarm((clockid_t)m->clock), &now) < 0)
			return cr_err_sys(err, "clock_gettime");
		value += same_clock(r, m->clock) ? m->clock_ns : cr_ns(&now);
	}
	if (m->value_ns)
		its.it_value = cr_ns_timespec(value);
	if (timerfd_settime(fd, (int)m->settime_flags, &its, NULL) < 0)
		return cr_err_sys(err, "timerfd_settime");
	return 0;
}

static int timerfd_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__TimerFd *m = msg;
	uint64_t ticks = m->ticks;
	cr_auto_fd int fd = timerfd_create((clockid_t)m->clock,
					   TFD_CLOEXEC | (int)(m->open_flags & O_NONBLOCK));

	if (fd < 0)
		return cr_err_sys(err, "timerfd_create of clock %u", m->clock);
	if ((m->value_ns || m->interval_ns || m->settime_flags) && arm(r, fd, m, err) < 0)
		return -1;
	if (ticks && ioctl(fd, TFD_IOC_SET_TICKS, &ticks) < 0)
		return cr_err_sys(err, "TFD_IOC_SET_TICKS");
	return cr_steal_fd(&fd);
}

const struct file_ops timerfd_ops = {
	.kind = CR_KIND_TIMER_FD,
	.open = timerfd_open,
};

/* SPDX-License-Identifier: MIT */
/*
 * Clock ids that name somebody's CPU time: the complement of a pid or tid
 * above three bits (include/linux/posix-timers_types.h).
 */
#ifndef CR_TIMER_CLOCK_H
#define CR_TIMER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define CR_CLOCK_THREAD_BIT 4
#define CR_CLOCK_SCHED 2
#define CR_CLOCK_FD 3		/* not CPU time but a device's clock */

static inline bool cr_clock_is_dynamic(int32_t clock)
{
	return clock < 0;
}

/* Whose: 0 is the caller itself. */
static inline int32_t cr_clock_owner(int32_t clock)
{
	return ~(clock >> 3);
}

static inline bool cr_clock_is_fd(int32_t clock)
{
	return clock < 0 && (clock & 7) == CR_CLOCK_FD;
}

static inline bool cr_clock_is_thread(int32_t clock)
{
	return clock & CR_CLOCK_THREAD_BIT;
}

static inline int32_t cr_clock_of_thread(int32_t tid)
{
	return (int32_t)((~(uint32_t)tid << 3) | CR_CLOCK_THREAD_BIT | CR_CLOCK_SCHED);
}

/* The clock that an alarm goes by: without an RTC only that one can be read. */
static inline clockid_t cr_clock_without_alarm(clockid_t clock)
{
	switch (clock) {
	case CLOCK_REALTIME_ALARM:
		return CLOCK_REALTIME;
	case CLOCK_BOOTTIME_ALARM:
		return CLOCK_BOOTTIME;
	default:
		return clock;
	}
}

#endif

/* SPDX-License-Identifier: MIT */
/* Times as one number of nanoseconds, as records have them. */
#ifndef CR_NS_H
#define CR_NS_H

#include <stdint.h>
#include <time.h>

static inline uint64_t cr_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec;
}

static inline struct timespec cr_ns_timespec(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
}

#endif

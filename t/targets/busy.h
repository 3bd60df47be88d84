/* SPDX-License-Identifier: MIT */
/*
 * What busy.c shows to whoever watches it: the page "status", with a counter for
 * each activity and the first complaint, and the checks that complain.
 */
#ifndef BUSY_H
#define BUSY_H

#include "target.h"

#define MS 1000000ull
#define NAP_MS 15

enum activity {
	COMPUTE,
	MEMORY,
	NANOSLEEP,
	FUTEX,
	POLL,
	EPOLL,
	SIGTIMEDWAIT,
	PIPE,
	COUNTING,
	ANSWERING,
	CHILD_COMPUTE,
	CHILD_SENT,
	CHILD_ASKED,
	GOT_OUTSIDE,		/* moves only when somebody sends */
	RECV,
	SEMAPHORE,
	FULL_PIPE,
	ACTIVITIES,
};

static struct status {
	uint64_t count[32];
	uint32_t n_complaints;
	uint32_t child;
	char complaint[256];
	uint32_t n_eintr;	/* of those calls where any stop may cause it, signal(7) */
} * status;

static void tick(enum activity a)
{
	__atomic_fetch_add(&status->count[a], 1, __ATOMIC_SEQ_CST);
}

static uint64_t ticks(enum activity a)
{
	return __atomic_load_n(&status->count[a], __ATOMIC_SEQ_CST);
}

__attribute__((format(printf, 1, 2))) static void complain(const char *fmt, ...)
{
	va_list ap;

	if (__atomic_fetch_add(&status->n_complaints, 1, __ATOMIC_SEQ_CST))
		return;
	va_start(ap, fmt);
	vsnprintf(status->complaint, sizeof(status->complaint), fmt, ap);
	va_end(ap);
}

/* A call that must return @want after its time. */
static void expect(const char *what, long got, long want, int wanted_errno, uint64_t began)
{
	int saved = errno;
	uint64_t took = t_now() - began;

	if (got != want || (want < 0 && saved != wanted_errno))
		complain("%s: returned %ld, errno %d (%s)", what, got, saved, strerror(saved));
	/* The kernel's timers may be early by a tick of a coarse clock. */
	if (took + 2 * MS < NAP_MS * MS)
		complain("%s: slept %llu us", what, (unsigned long long)took / 1000);
}

/* The same of one that the kernel ends with EINTR for a stop. */
static void expect_soft(const char *what, long got, long want, int wanted_errno, uint64_t began)
{
	if (got < 0 && errno == EINTR)
		__atomic_fetch_add(&status->n_eintr, 1, __ATOMIC_SEQ_CST);
	else
		expect(what, got, want, wanted_errno, began);
}

#endif

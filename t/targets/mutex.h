/* SPDX-License-Identifier: MIT */
/* Mutexes of targets, by their attributes. */
#ifndef T_MUTEX_H
#define T_MUTEX_H

#include <pthread.h>
#include <stdbool.h>

#include "target.h"

static void make(pthread_mutex_t *m, int protocol, int robust, int pshared)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, protocol);
	pthread_mutexattr_setrobust(&a, robust);
	pthread_mutexattr_setpshared(&a, pshared);
	if (pthread_mutex_init(m, &a) != 0)
		t_fatal("pthread_mutex_init");
}

/* Returns when the thread is about to wait, which it says by setting *waiting. */
static inline void start_waiter(pthread_t *t, void *(*body)(void *), const volatile bool *waiting)
{
	if (pthread_create(t, NULL, body, NULL) != 0)
		t_fatal("pthread_create");
	while (!*waiting)
		t_sleep_ms(1);
	t_sleep_ms(20);
}

#endif

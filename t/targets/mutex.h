/* SPDX-License-Identifier: MIT */
/* Mutexes of targets, by their attributes. */
#ifndef T_MUTEX_H
#define T_MUTEX_H

#include <pthread.h>

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

#endif

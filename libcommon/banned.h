/* SPDX-License-Identifier: MIT */
/*
 * Functions that are not used here: they do not know the size of what they
 * write to, cannot report an error, or keep state between threads.  The build
 * puts this file before every source (gcc -include).
 *
 * Use snprintf(), memcpy(), strtok_r(), cr_parse_u64() and its like instead.
 */
#ifndef CR_BANNED_H
#define CR_BANNED_H

/* A poisoned name may not stand in a header that comes later. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#pragma GCC poison gets strcpy stpcpy strcat strncpy strncat sprintf vsprintf
#pragma GCC poison atoi atol atoll atof
#pragma GCC poison strtok tmpnam tempnam mktemp
#pragma GCC poison asctime ctime gmtime localtime

#endif

/* SPDX-License-Identifier: MIT */
/*
 * progress TOTAL MS: work of that many milliseconds that makes a byte in each,
 * of TOTAL (0: not known), shown by libcommon/progress.h.
 */
#include <stdio.h>
#include <time.h>

#include "msg.h"
#include "parse.h"
#include "progress.h"

int main(int argc, char **argv)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	struct cr_progress p;
	uint64_t total, n;

	cr_prog = "progress";
	if (argc != 3 || cr_parse_u64(argv[1], 10, 0, UINT64_MAX, &total) < 0 ||
	    cr_parse_u64(argv[2], 10, 0, 100000, &n) < 0)
		return 100;
	cr_progress_begin(&p, "work", total);
	for (; n; n--) {
		nanosleep(&ms, NULL);
		cr_progress_add(&p, 1024);
	}
	cr_progress_end(&p);
	puts("done");
	return 0;
}

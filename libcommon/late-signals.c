/* SPDX-License-Identifier: MIT */
#include "late-signals.h"

#include <stdlib.h>
#include <string.h>

#include "session-proto.h"

#define AT_ONCE (CR_SESSION_DATA_MAX / sizeof(struct cr_late_signal))
#define FIRST 16u	/* mostly there are none, and the tree is frozen meanwhile */

int cr_session_late_signals(struct cr_session *s, pid_t pid, struct cr_late_signal **list,
			    size_t *count, struct cr_err *err)
{
	struct cr_late_signal *all = NULL;
	size_t n = 0, want = FIRST;
	uint32_t got;

	*list = NULL;
	*count = 0;
	for (;;) {
		struct cr_late_signal *grown = realloc(all, (n + want) * sizeof(*all));

		if (!grown) {
			free(all);
			return cr_err_sys(err, "out of memory");
		}
		all = grown;
		if (cr_session_peek(s, pid, (uint32_t)n, all + n, want * sizeof(*all), &got, err) <
		    0) {
			free(all);
			return -1;
		}
		n += got;
		if (got < want)
			break;
		want = AT_ONCE;
	}
	*list = all;
	*count = n;
	return 0;
}

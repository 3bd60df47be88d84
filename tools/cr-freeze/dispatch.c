/* SPDX-License-Identifier: MIT */
#include "dispatch.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ptrace-new.h"

int dispatch_fill(pid_t tid, Cr__Thread *m, Cr__UserDispatch *d, struct cr_err *err)
{
	static bool unknown;
	struct cr_sud_config c;

	if (unknown)
		return 0;
	if (syscall(SYS_ptrace, CR_PTRACE_GET_SUD_CONFIG, (long)tid, sizeof(c), &c) < 0) {
		/* Kernels before 6.4 may have it on without anybody knowing. */
		if (errno == EIO || errno == EINVAL) {
			unknown = true;
			return 0;
		}
		return cr_err_sys(err, "thread %d: its syscall user dispatch", (int)tid);
	}
	if (!c.mode)
		return 0;
	cr__user_dispatch__init(d);
	d->mode = c.mode;
	d->offset = c.offset;
	d->length = c.len;
	d->selector = c.selector;
	m->user_dispatch = d;
	return 0;
}

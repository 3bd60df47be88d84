/* SPDX-License-Identifier: MIT */
#include "signals.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc.h"

#define AT_ONCE 32

static int add(struct signals *s, const siginfo_t *info, struct cr_err *err)
{
	ProtobufCBinaryData *grown = realloc(s->list, (s->count + 1) * sizeof(*grown));
	uint8_t *copy = malloc(sizeof(*info));

	if (grown)
		s->list = grown;
	if (!grown || !copy) {
		free(copy);
		return cr_err_sys(err, "out of memory");
	}
	memcpy(copy, info, sizeof(*info));
	s->list[s->count].data = copy;
	s->list[s->count++].len = sizeof(*info);
	return 0;
}

int signals_peek(const struct cr_tracee *t, bool shared, uint64_t from, size_t enough,
		 struct signals *s, struct cr_err *err)
{
	struct __ptrace_peeksiginfo_args args = {
		.off = from,
		.flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
		.nr = AT_ONCE,
	};
	siginfo_t infos[AT_ONCE];
	long n;

	do {
		n = syscall(SYS_ptrace, (long)PTRACE_PEEKSIGINFO, (long)t->tid, &args, infos);
		if (n < 0)
			return cr_err_sys(err, "thread %d: PTRACE_PEEKSIGINFO", (int)t->tid);
		for (long i = 0; i < n; i++)
			if (add(s, &infos[i], err) < 0)
				return -1;
		args.off += (uint64_t)n;
	} while (n == AT_ONCE && s->count < enough);
	return 0;
}

void signals_free(struct signals *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->list[i].data);
	free(s->list);
	memset(s, 0, sizeof(*s));
}

bool signals_pending(const char *status, const char *name)
{
	const char *p = cr_proc_field(status, name);
	uint64_t set = 0;

	return p && sscanf(p, "%" SCNx64, &set) == 1 && set;
}

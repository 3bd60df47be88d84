/* SPDX-License-Identifier: MIT */
#include "notify.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parse.h"

int notify_parse(const char *name)
{
	uint64_t n;

	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	if (cr_parse_u64(name, 10, 1, 64, &n) == 0)
		return (int)n;
	if (strcmp(name, "RTMIN") == 0)
		return SIGRTMIN;
	if (strncmp(name, "RTMIN+", 6) == 0)
		return cr_parse_u64(name + 6, 10, 0, (uint64_t)(SIGRTMAX - SIGRTMIN), &n) == 0 ?
			       SIGRTMIN + (int)n :
			       0;
	for (int sig = 1; sig < 32; sig++) {
		const char *known = sigabbrev_np(sig);

		if (known && strcmp(known, name) == 0)
			return sig;
	}
	return 0;
}

int notify_build(const struct restore *r, const struct task_image *t, struct vec *v,
		 struct arena *a, struct cr_err *err)
{
	siginfo_t *info;

	if (!r->opts.notify || t->parent)
		return 0;
	info = arena_alloc(a, sizeof(*info), err);
	if (!info)
		return -1;
	info->si_signo = r->opts.notify;
	info->si_code = SI_QUEUE;
	info->si_pid = getppid();
	info->si_uid = getuid();
	info->si_value.sival_int = NOTIFY_VALUE;
	vec_sys(v, LABEL_SIGNAL, SYS_rt_sigqueueinfo, t->task->pid, info->si_signo, P(info));
	return 0;
}

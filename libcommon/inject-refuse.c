/* SPDX-License-Identifier: MIT */
/*
 * Why a process cannot have an agent, in words that help.  The segment of the
 * agent is memory of the task like any other, with its limits.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "inject-agent.h"
#include "proc.h"

int agent_refuse(const struct cr_agent *a, struct cr_err *err, const char *why)
{
	return cr_err_set(err, CR_REFUSED, "pid %d: %s", (int)a->proc->pid, why);
}

/* A file of /proc/PID, or NULL. */
static char *read_file(const struct cr_agent *a, const char *name)
{
	struct cr_err ignored;
	char *text;

	return cr_proc_read(cr_process_eye(a->proc), name, &text, NULL, &ignored) < 0 ? NULL : text;
}

/* Its RLIMIT_AS; UINT64_MAX: unlimited, or not known. */
static uint64_t limit_of_space(const struct cr_agent *a)
{
	cr_auto_free char *limits = read_file(a, "limits");
	const char *p = limits ? strstr(limits, "Max address space") : NULL;
	uint64_t soft;

	return p && sscanf(p, "Max address space %" SCNu64, &soft) == 1 ? soft : UINT64_MAX;
}

static uint64_t size_of_space(const struct cr_agent *a)
{
	cr_auto_free char *status = read_file(a, "status");
	const char *kib = status ? cr_proc_field(status, "VmSize") : NULL;

	return kib ? strtoull(kib, NULL, 10) * 1024 : 0;
}

/* The kernel lets a process have one more than the limit says. */
static bool has_all_mappings(const struct cr_agent *a)
{
	cr_auto_free char *maps = read_file(a, "maps");
	uint64_t n = 0;

	for (const char *p = maps; p && (p = strchr(p, '\n')); p++)
		n++;
	return n >= cr_proc_max_mappings();
}

int agent_no_memory(const struct cr_agent *a, int errnum, struct cr_err *err)
{
	uint64_t limit;

	switch (errnum) {
	case EACCES:
		return agent_refuse(a, err,
				    "it may not execute memory that it shares (SELinux): no agent "
				    "can run there");
	case EAGAIN:
		return agent_refuse(a, err,
				    "it locks all its memory (MCL_FUTURE) and has no more to lock "
				    "for an agent; raise its RLIMIT_MEMLOCK");
	case ENOMEM:
		break;
	default:
		return cr_err_set(err, CR_REFUSED,
				  "pid %d: it cannot attach the agent's memory: %s",
				  (int)a->proc->pid, strerror(errnum));
	}
	limit = limit_of_space(a);
	if (limit != UINT64_MAX && size_of_space(a) + AGENT_LENGTH > limit)
		return cr_err_set(err, CR_REFUSED,
				  "pid %d: its address space has no room for an agent; raise its "
				  "RLIMIT_AS by %zu KiB",
				  (int)a->proc->pid,
				  (size_t)(size_of_space(a) + AGENT_LENGTH - limit + 1023) / 1024);
	if (has_all_mappings(a))
		return agent_refuse(a, err,
				    "it has as many mappings as it may have, and an agent needs "
				    "one; raise vm.max_map_count");
	return agent_refuse(a, err,
			    "its address space has no room for an agent; let it unmap something");
}

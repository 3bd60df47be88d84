/* SPDX-License-Identifier: MIT */
#include "rare.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "clean.h"
#include "proc.h"

int rare_check_process(struct cr_stage *st, pid_t pid, const struct ask_process_data *d,
		       struct cr_err *err)
{
	if (d->keyring > 0 && cr_stage_refuse(st, pid, "", "has a process keyring: not supported",
					      "keep the keys in another keyring", err) < 0)
		return -1;
	if (d->ldt_size <= 0)
		return 0;
	return cr_stage_refuse(st, pid, "", "has segments of its own (modify_ldt): not supported",
			       "", err);
}

int rare_check_thread(struct cr_stage *st, pid_t pid, uint32_t tid, const struct ask_thread_data *d,
		      struct cr_err *err)
{
	char object[32];

	snprintf(object, sizeof(object), "thread %u", tid);
	if (d->core_cookie &&
	    cr_stage_refuse(st, pid, object, "has a core scheduling cookie: not supported",
			    "run it without PR_SCHED_CORE", err) < 0)
		return -1;
	if (d->keyring <= 0)
		return 0;
	return cr_stage_refuse(st, pid, object, "has a thread keyring: not supported",
			       "keep the keys in another keyring", err);
}

static bool has_flag(const char *flags, const char *flag)
{
	const char *p = strstr(flags, flag);

	return p && p < flags + strcspn(flags, "\n");
}

int rare_lock_future(pid_t tid, int64_t said, uint64_t address, uint32_t *flags, struct cr_err *err)
{
	cr_auto_free char *smaps = NULL;
	const char *at, *vm_flags = NULL;
	char start[24];

	*flags = 0;
	if (said != -EBUSY)
		return 0;
	if (cr_proc_read(tid, "smaps", &smaps, NULL, err) < 0)
		return -1;
	snprintf(start, sizeof(start), "%08" PRIx64 "-", address);
	at = strstr(smaps, start);
	if (at)
		vm_flags = strstr(at, "\nVmFlags:");
	if (!vm_flags)
		return cr_err_set(err, CR_SYSTEM, "/proc/%d/smaps: not understood", (int)tid);
	if (has_flag(vm_flags + 1, " lo"))
		*flags = MCL_FUTURE | (has_flag(vm_flags + 1, " lf") ? MCL_ONFAULT : 0);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Is a process still being made by cr-restore?  Whoever froze it then would
 * take half of it for the whole, and keep cr-restore from tracing it.  So this is
 * looked for from outside, before anything is touched.
 *
 * Such a process is cr-restore itself, as a child of cr-restore, or has all signals
 * blocked and is in the agent, or is traced by cr-restore: in this order.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clean.h"
#include "pagemap.h"
#include "proc.h"
#include "tree-freeze.h"
#include "../pie/agent.h"

#define LOOKS 20	/* at a process that runs: nothing tells where it is */
#define LOOK_US 500
#define UNBLOCKABLE (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))

static bool is_restorer(pid_t pid)
{
	static const char name[] = "/cr-restore";
	char path[4096];
	struct cr_err ignored;
	size_t len;

	if (pid <= 0 || cr_proc_link(pid, "exe", path, sizeof(path), &ignored) < 0)
		return false;
	len = strcspn(path, " ");	/* " (deleted)" after an update */
	return len >= sizeof(name) - 1 &&
	       memcmp(path + len - (sizeof(name) - 1), name, sizeof(name) - 1) == 0;
}

static uint64_t number(const char *status, const char *field, int base)
{
	const char *text = cr_proc_field(status, field);

	return text ? strtoull(text, NULL, base) : 0;
}

/* Is @pc in the agent's code, wherever that begins? */
static bool agent_at(pid_t pid, uint64_t pc)
{
	const uint64_t first = (pc - cr_agent_blob_size) & ~(uint64_t)(CR_PAGE - 1);
	const size_t size = (2 * cr_agent_blob_size + 2 * CR_PAGE - 1) & ~(size_t)(CR_PAGE - 1);
	cr_auto_free uint8_t *code = calloc(1, size);

	/* Page by page: those around it need not be there. */
	for (size_t at = 0; code && at < size; at += CR_PAGE) {
		struct iovec local = { code + at, CR_PAGE };
		struct iovec remote = { (void *)(first + at), CR_PAGE };
		ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

		(void)n;
	}
	return code && memmem(code, size, cr_agent_blob, cr_agent_blob_size);
}

/* Its main thread sleeps in a call that the agent has made, at one of some looks: it
 * may be on its way from one call to the next. */
static bool is_in_agent(pid_t pid)
{
	for (int i = 0; i < LOOKS; i++) {
		cr_auto_free char *text = NULL;
		struct cr_err ignored;
		const char *pc;

		if (cr_proc_read(pid, "syscall", &text, NULL, &ignored) < 0)
			return false;
		pc = strrchr(text, ' ');
		if (pc && agent_at(pid, strtoull(pc, NULL, 16)))
			return true;
		usleep(LOOK_US);
	}
	return false;
}

bool tree_being_restored(pid_t root)
{
	cr_auto_free char *status = NULL;
	struct cr_err ignored;

	if (cr_proc_read(root, "status", &status, NULL, &ignored) < 0)
		return false;
	if (is_restorer(root) && is_restorer((pid_t)number(status, "PPid", 10)))
		return true;
	if ((number(status, "SigBlk", 16) | UNBLOCKABLE) == UINT64_MAX && is_in_agent(root))
		return true;
	/* Looked at last: until then it may have become so. */
	free(status);
	status = NULL;
	return cr_proc_read(root, "status", &status, NULL, &ignored) == 0 &&
	       is_restorer((pid_t)number(status, "TracerPid", 10));
}

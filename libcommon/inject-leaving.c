/* SPDX-License-Identifier: MIT */
/*
 * What a killed owner leaves behind: threads that have not got through their
 * exit codes yet, and the dead code itself.
 *
 * A signal that came during the freeze is delivered in the middle of the exit
 * code, as soon as that has restored the signal mask; its handler then returns
 * there.  So the code may be needed for as long as a stack leads back to it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "arch.h"
#include "clean.h"
#include "inject-agent.h"
#include "proc.h"

#define STACK_MAX (256u << 10)	/* how far to look for return addresses */
#define CHUNK 4096u

static bool in_room(const struct cr_room *room, uint64_t v)
{
	return v - room->at < room->size;
}

/* Words of the stack, up to its end or STACK_MAX. */
static bool stack_leads_to(const struct cr_tracee *t, const struct cr_room *room, uint64_t *buf)
{
	uint64_t sp = cr_arch_stack_pointer(&t->regs) & ~7ull;

	for (uint64_t at = sp; at < sp + STACK_MAX; at = (at + CHUNK) & ~(uint64_t)(CHUNK - 1)) {
		size_t len = CHUNK - (at & (CHUNK - 1));
		struct iovec local = { buf, len }, remote = { (void *)at, len };

		if (process_vm_readv(t->tid, &local, 1, &remote, 1, 0) != (ssize_t)len)
			return false;
		for (size_t i = 0; i < len / 8; i++)
			if (in_room(room, buf[i]))
				return true;
	}
	return false;
}

/* In the agent's own mapping: all signals blocked, and its code around it. */
static bool in_agent(const struct cr_tracee *t, uint8_t *buf)
{
	uint64_t page = cr_arch_instruction_pointer(&t->regs) & ~(uint64_t)(CHUNK - 1);
	struct iovec local = { buf, cr_agent_blob_size };
	struct iovec remote = { (void *)page, cr_agent_blob_size };

	return process_vm_readv(t->tid, &local, 1, &remote, 1, 0) == (ssize_t)cr_agent_blob_size &&
	       memcmp(buf, cr_agent_blob, cr_agent_blob_size) == 0;
}

int cr_agent_leaving(struct cr_process *p, struct cr_err *err)
{
	cr_auto_free uint64_t *buf = NULL;

	if (cr_room_find(cr_process_eye(p), &p->room, err) < 0)
		return -1;
	p->room_known = true;
	if (!p->room.used)
		return 0;
	buf = malloc(CHUNK);
	if (!buf)
		return cr_err_sys(err, "out of memory");
	for (unsigned int k = 0; k < p->n_threads; k++) {
		const struct cr_tracee *t = &p->threads[k];

		if (in_room(&p->room, cr_arch_instruction_pointer(&t->regs)) ||
		    in_agent(t, (uint8_t *)buf) || stack_leads_to(t, &p->room, buf))
			return 1;
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * An AIO context is the address of its ring; the rest is in the kernel's memory,
 * where each context counts the requests that it could still take.
 */
#include "aio.h"

#include <inttypes.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "peek.h"
#include "per-cpu.h"

#define CTX "kioctx"
#define MANY_CONTEXTS 65536u
#define MAX_EVENT_BYTES (512u << 10)

/* The first words of a ring, which the kernel and the program share. */
struct ring {
	uint32_t id;
	uint32_t n_events;
	uint32_t head;
	uint32_t tail;
	uint32_t magic;
	uint32_t compat;
	uint32_t incompat;
	uint32_t header_length;
};

#define RING_MAGIC 0xa10a10a1u

static int read_at(pid_t pid, uint64_t address, void *to, size_t len, struct cr_err *err)
{
	struct iovec local = { to, len }, remote = { (void *)address, len };

	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != (ssize_t)len)
		return cr_err_sys(err, "unable to read an AIO ring");
	return 0;
}

/* Requests that each CPU has set aside for itself, of all of them. */
static uint64_t set_aside(struct peek *p, uint64_t ctx, bool *known)
{
	static uint64_t offsets[PER_CPU_MAX];
	static unsigned int cpus;
	uint64_t at = peek_member(p, ctx, CTX, "cpu", 8), sum = 0;

	if (!cpus)
		cpus = per_cpu_offsets(p, offsets);
	*known = cpus;
	for (unsigned int i = 0; i < cpus; i++)
		sum += peek_member(p, at + offsets[i], "kioctx_cpu", "reqs_available", 4);
	return sum;
}

static uint64_t find_context(struct peek *p, const struct process *proc, const struct ring *ring)
{
	uint64_t task = peek_task(p, proc->pid);
	uint64_t mm = peek_member(p, task, "task_struct", "mm", 8);
	uint64_t table = mm ? peek_member(p, mm, "mm_struct", "ioctx_table", 8) : 0;

	if (!table || ring->id >= MANY_CONTEXTS ||
	    ring->id >= peek_member(p, table, "kioctx_table", "nr", 4))
		return 0;
	return peek_u64(p, peek_address(p, table, "kioctx_table", "table") + ring->id * 8ull);
}

/* What is in the way of carrying it?  NULL: nothing. */
static const char *check(struct peek *p, uint64_t ctx, const Cr__RingMapping *m,
			 const struct ring *ring)
{
	uint64_t active, free;
	bool known;

	if (ring->magic != RING_MAGIC || ring->header_length != sizeof(*ring) ||
	    ring->head >= ring->n_events || ring->tail >= ring->n_events)
		return "its ring is malformed";
	if (!ctx || peek_member(p, ctx, CTX, "user_id", 8) != m->address ||
	    peek_member(p, ctx, CTX, "mmap_size", 8) != m->length ||
	    peek_member(p, ctx, CTX, "nr_events", 4) != ring->n_events)
		return peek_fault(p) ? peek_fault(p) : "it is another process's";
	if (peek_member(p, ctx, CTX, "tail", 4) != ring->tail)
		return "its tail is not what the kernel has";
	active = peek_address(p, ctx, CTX, "active_reqs");
	free = peek_member(p, ctx, CTX, "reqs_available", 4) + set_aside(p, ctx, &known) +
	       peek_member(p, ctx, CTX, "completed_events", 4);
	if (peek_fault(p))
		return peek_fault(p);
	if (!known)
		return "this kernel does not tell its requests (BPF)";
	return peek_u64(p, active) != active || free != ring->n_events - 1 ?
		       "requests are under way" :
		       NULL;
}

static int copy_events(pid_t pid, const Cr__RingMapping *m, const struct ring *ring,
		       Cr__AioContext *out, struct cr_err *err)
{
	uint32_t n = (ring->tail + ring->n_events - ring->head) % ring->n_events;
	struct io_event *list = calloc(n + 1, sizeof(*list));

	if (!list)
		return cr_err_sys(err, "out of memory");
	out->events.data = (uint8_t *)list;
	out->events.len = n * sizeof(*list);
	for (uint32_t i = 0; i < n; i++)
		if (read_at(pid,
			    m->address + sizeof(*ring) +
				    (uint64_t)((ring->head + i) % ring->n_events) * sizeof(*list),
			    &list[i], sizeof(*list), err) < 0)
			return -1;
	return 0;
}

static int refuse(struct dump *d, const Cr__RingMapping *m, const char *why, struct cr_err *err)
{
	char object[40], what[160];

	snprintf(object, sizeof(object), "vma %" PRIx64, m->address);
	snprintf(what, sizeof(what), "an AIO context: %s: not supported", why);
	return cr_stage_refuse(d->st, (pid_t)m->pid, object, what,
			       "let its requests end, or destroy it (io_destroy)", err);
}

static const struct process *find_process(const struct dump *d, uint32_t pid)
{
	for (unsigned int i = 0; i < d->n_procs; i++)
		if (d->procs[i]->task == (pid_t)pid)
			return d->procs[i];
	return NULL;
}

static int put(struct dump *d, const struct process *proc, const Cr__RingMapping *m,
	       const struct ring *ring, uint32_t max, struct cr_err *err)
{
	Cr__AioContext out = CR__AIO_CONTEXT__INIT;
	int ret;

	out.pid = m->pid;
	out.address = m->address;
	out.length = m->length;
	out.max_requests = max;
	out.n_events = ring->n_events;
	out.head = ring->head;
	out.tail = ring->tail;
	ret = copy_events(proc->pid, m, ring, &out, err);
	if (ret == 0)
		ret = out.events.len > MAX_EVENT_BYTES ?
			      refuse(d, m, "too many completions wait in it", err) :
			      cr_stage_put(d->st, CR_KIND_AIO_CONTEXT, &out, err);
	free(out.events.data);
	return ret;
}

int aio_dump(struct dump *d, const Cr__RingMapping *m, struct cr_err *err)
{
	struct peek p = { .kernel = dump_peek(d) };
	const struct process *proc = find_process(d, m->pid);
	struct ring ring;
	const char *why;
	uint64_t ctx;

	if (!proc)
		return cr_err_set(err, CR_BAD_INPUT, "a ring of process %u, which is unknown",
				  m->pid);
	if (!p.kernel)
		return refuse(d, m, "this kernel does not tell its state (BPF)", err);
	if (read_at(proc->pid, m->address, &ring, sizeof(ring), err) < 0)
		return -1;
	ctx = find_context(&p, proc, &ring);
	why = check(&p, ctx, m, &ring);
	if (why)
		return refuse(d, m, why, err);
	return put(d, proc, m, &ring, (uint32_t)peek_member(&p, ctx, CTX, "max_reqs", 4), err);
}

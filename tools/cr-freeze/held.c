/* SPDX-License-Identifier: MIT */
#include "held.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "list.h"

#define PI 1ull	/* in the address of an entry: a futex that inherits priority */

static bool read_at(pid_t tid, uint64_t at, void *to, size_t len)
{
	struct iovec local = { to, len }, remote = { (void *)at, len };

	return process_vm_readv(tid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

static int add(const struct cr_tracee *t, Cr__Thread *m, uint64_t address, struct cr_err *err)
{
	Cr__HeldFutex *held;
	uint32_t word;

	if (!read_at(t->tid, address, &word, sizeof(word)) ||
	    (word & FUTEX_TID_MASK) != (uint32_t)t->tid)
		return 0;
	if (cr_list_room(m->held_futexes, m->n_held_futexes, err) < 0)
		return -1;
	held = malloc(sizeof(*held));
	if (!held)
		return cr_err_sys(err, "out of memory");
	cr__held_futex__init(held);
	held->address = address;
	held->word = word;
	m->held_futexes[m->n_held_futexes++] = held;
	return 0;
}

int held_fill(const struct cr_tracee *t, Cr__Thread *m, struct cr_err *err)
{
	struct robust_list_head head;
	uint64_t entry, next;

	if (!m->robust_list || !read_at(t->tid, m->robust_list, &head, sizeof(head)))
		return 0;
	entry = (uint64_t)head.list.next & ~PI;
	for (int i = 0; entry && entry != m->robust_list && i < ROBUST_LIST_LIMIT; i++) {
		if (add(t, m, entry + (uint64_t)head.futex_offset, err) < 0)
			return -1;
		if (!read_at(t->tid, entry, &next, sizeof(next)))
			break;
		entry = next & ~PI;
	}
	/* One that is on its way into the list or out of it. */
	entry = (uint64_t)head.list_op_pending & ~PI;
	return entry ? add(t, m, entry + (uint64_t)head.futex_offset, err) : 0;
}

void held_release(Cr__Thread *m)
{
	for (size_t i = 0; i < m->n_held_futexes; i++)
		free(m->held_futexes[i]);
	free(m->held_futexes);
}

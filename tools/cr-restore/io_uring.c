/* SPDX-License-Identifier: MIT */
/*
 * io_uring: a ring of the same shape, whose counters are brought to where they
 * were by as many requests that do nothing, and whose memory then gets its
 * bytes back.  Programs keep copies of the counters, so that they must be the
 * same ones.
 */
#include "io_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "io_uring-setup.h"
#include "uring-count.h"

#ifndef IOSQE_CQE_SKIP_SUCCESS
#define IOSQE_CQE_SKIP_SUCCESS (1u << 6) /* 5.17 */
#endif

/* A program knows where things are in the ring. */
static bool same_layout(const Cr__IoUring *m, const struct io_uring_params *p)
{
	return p->sq_entries == m->sq_entries && p->cq_entries == m->cq_entries &&
	       memcmp(&p->sq_off, m->offsets, sizeof(p->sq_off)) == 0 &&
	       memcmp(&p->cq_off, m->offsets + sizeof(p->sq_off) / 4, sizeof(p->cq_off)) == 0;
}

#define FLAGS 4	/* in the offsets: struct io_sqring_offsets */

static bool malformed(const Cr__IoUring *m)
{
	const struct io_uring_params *p = NULL;
	bool r_disabled = m->setup_flags & IORING_SETUP_R_DISABLED;

	return m->n_offsets != (sizeof(p->sq_off) + sizeof(p->cq_off)) / 4 || !m->sq_entries ||
	       m->sq_entries > 1u << 20 || m->cq_entries > 1u << 21 || m->sq_head < m->cq_tail ||
	       (r_disabled && m->sq_head) || m->rings.len < 64 ||
	       m->sqes.len < m->sq_entries * 64ull || m->offsets[FLAGS] > m->rings.len - 4;
}

static int uring_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__IoUring *m = msg;
	struct io_uring_params p;
	cr_auto_fd int fd = -1;

	if (malformed(m))
		return cr_err_set(err, CR_BAD_INPUT, "io_uring %u: malformed", m->id);
	if (m->setup_flags & IORING_SETUP_SQPOLL && !image_task(&r->img, m->pid))
		return cr_err_set(err, CR_BAD_INPUT, "io_uring %u: of no process", m->id);
	for (size_t i = 0; i < m->n_files; i++)
		if (m->files[i]->slot >= m->file_slots || !image_file(&r->img, m->files[i]->file))
			return cr_err_set(err, CR_BAD_INPUT, "io_uring %u: file %u is missing",
					  m->id, m->files[i]->slot);
	fd = uring_setup(m, &p);
	if (fd < 0)
		refuse(r, m->pid, "io_uring", "io_uring_setup: %s", strerror(errno));
	else if (!same_layout(m, &p))
		refuse(r, m->pid, "io_uring", "this kernel lays a ring out in another way");
	return 0;
}

static uint32_t uring_uses(const void *msg, size_t n)
{
	const Cr__IoUring *m = msg;

	return n < m->n_files ? m->files[n]->file : 0;
}

/* Whether its thread sleeps is for the kernel to say. */
static void copy_rings(const Cr__IoUring *m, const struct io_uring_params *p, uint8_t *rings)
{
	size_t flags = p->sq_off.flags, next = flags + sizeof(uint32_t);

	if (!(m->setup_flags & IORING_SETUP_SQPOLL)) {
		memcpy(rings, m->rings.data, m->rings.len);
		return;
	}
	memcpy(rings, m->rings.data, flags);
	memcpy(rings + next, m->rings.data + next, m->rings.len - next);
}

/* Count up to where it was; then its bytes. */
static int fill(const Cr__IoUring *m, const struct io_uring_params *p, int fd, uint8_t *rings,
		uint8_t *sqes, struct cr_err *err)
{
	struct uring_count c = {
		.fd = fd,
		.params = p,
		.rings = rings,
		.sqes = sqes,
		.sqe_size = m->sqes.len / m->sq_entries,
	};

	if (uring_count(&c, m->cq_tail, 0, err) < 0 ||
	    uring_count(&c, m->sq_head - m->cq_tail, IOSQE_CQE_SKIP_SUCCESS, err) < 0)
		return -1;
	if (!uring_counted(&c, m->sq_head, m->cq_tail))
		return cr_err_set(err, CR_SYSTEM, "its counters are not what they were");
	copy_rings(m, p, rings);
	memcpy(sqes, m->sqes.data, m->sqes.len);
	return 0;
}

static int make(const Cr__IoUring *m, int fd, const struct io_uring_params *p, struct cr_err *err)
{
	uint8_t *rings = mmap(NULL, m->rings.len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			      IORING_OFF_SQ_RING);
	uint8_t *sqes =
		mmap(NULL, m->sqes.len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	int ret;

	if (rings == MAP_FAILED || sqes == MAP_FAILED)
		ret = cr_err_sys(err, "unable to map the ring");
	else
		ret = fill(m, p, fd, rings, sqes, err);
	if (rings != MAP_FAILED)
		munmap(rings, m->rings.len);
	if (sqes != MAP_FAILED)
		munmap(sqes, m->sqes.len);
	return ret;
}

static int uring_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__IoUring *m = msg;
	struct io_uring_params p;
	cr_auto_fd int fd = uring_setup_as(r, m, &p, err);

	if (fd < 0)
		return -1;
	if (!same_layout(m, &p))
		return cr_err_set(err, CR_SYSTEM, "io_uring: its memory is laid out otherwise");
	if (make(m, fd, &p, err) < 0)
		return cr_err_wrap(err, "io_uring");
	return cr_steal_fd(&fd);
}

static int uring_late(struct restore *r, const struct task_image *t, const void *msg, int fd,
		      struct cr_err *err)
{
	const Cr__IoUring *m = msg;
	cr_auto_free int32_t *list = malloc((m->file_slots + 1) * sizeof(*list));

	(void)t;
	if (!list)
		return cr_err_sys(err, "out of memory");
	for (uint32_t i = 0; i < m->file_slots; i++)
		list[i] = -1;
	for (size_t i = 0; i < m->n_files; i++) {
		int number = file_number(r, m->files[i]->file, err);

		if (number < 0)
			return -1;
		list[m->files[i]->slot] = number;
	}
	if (m->file_slots &&
	    syscall(SYS_io_uring_register, fd, IORING_REGISTER_FILES, list, m->file_slots) < 0)
		return cr_err_sys(err, "IORING_REGISTER_FILES");
	return 0;
}

/* The number of the description @id in the task, -1. */
static int number_of(const struct task_image *t, uint32_t id)
{
	while (t->share_files)
		t = t->share_files;
	for (size_t i = 0; i < t->fds->n_fds; i++)
		if (t->fds->fds[i]->file == id)
			return (int)t->fds->fds[i]->fd;
	return -1;
}

int uring_of_mapping(struct restore *r, const struct task_image *t, const Cr__Vma *vma, int *fd,
		     struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_IO_URING];

	*fd = -1;
	for (unsigned int i = 0; i < l->count && *fd < 0; i++) {
		const Cr__IoUring *m = l->items[i];

		if (m->ino == vma->ino)
			*fd = number_of(t, m->id);
	}
	return *fd < 0 ? cr_err_set(err, CR_BAD_INPUT, "no descriptor of its ring") : 0;
}

int uring_register_buffers(struct restore *r, const struct task_image *t, struct vec *v,
			   struct arena *a, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_IO_URING];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__IoUring *m = l->items[i];
		int fd = number_of(t, m->id);
		struct iovec *iov;

		if (m->pid != t->task->pid || !m->n_buffers || fd < 0)
			continue;
		iov = arena_alloc(a, m->n_buffers * sizeof(*iov), err);
		if (!iov)
			return -1;
		for (size_t k = 0; k < m->n_buffers; k++) {
			iov[k].iov_base = (void *)m->buffers[k]->address;
			iov[k].iov_len = m->buffers[k]->length;
		}
		vec_sys(v, LABEL_REGISTER, SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS,
			(int64_t)(uintptr_t)iov, (int64_t)m->n_buffers);
	}
	return 0;
}

const struct file_ops io_uring_ops = {
	.kind = CR_KIND_IO_URING,
	.uses = uring_uses,
	.check = uring_check,
	.open = uring_open,
	.late = uring_late,
};

/* SPDX-License-Identifier: MIT */
/*
 * io_uring without requests under way, in all shapes: entries that nobody has
 * submitted or reaped yet, registered files and buffers, a ring that a child
 * has too.  Like liburing it keeps copies of the counters.
 */
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "target.h"

#define NO_SQARRAY (1u << 16)	/* 6.6 */
#define SKIP (1u << 6)		/* IOSQE_CQE_SKIP_SUCCESS, 5.17 */
#define PAGE 4096ul

struct ring {
	const char *name;
	unsigned int entries, cq_entries, flags;
	unsigned int warm, skipped;	/* requests before the dump */
	bool shared;
	/* from here on not initialised */
	bool there;
	int fd;
	struct io_uring_params p;
	uint8_t *rings, *sqes;
	uint32_t sq_tail, cq_head;	/* our copies */
};

static struct ring all[] = {
	{ .name = "plain", .entries = 8, .warm = 1003 },
	{ .name = "one issuer, deferred work",
	  .entries = 4,
	  .cq_entries = 64,
	  .warm = 5000,
	  .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		   IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL },
	{ .name = "large entries",
	  .entries = 16,
	  .warm = 21,
	  .flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_COOP_TASKRUN },
	{ .name = "without an array", .entries = 32, .warm = 100, .flags = NO_SQARRAY },
	{ .name = "skipped completions", .entries = 8, .warm = 50, .skipped = 33 },
	{ .name = "a child's too", .entries = 8, .warm = 7, .shared = true },
	{ .name = "not yet enabled", .entries = 8, .flags = IORING_SETUP_R_DISABLED },
	{ .name = "new", .entries = 1 },
};
#define COUNT (sizeof(all) / sizeof(all[0]))

static uint8_t *buffer;
static int file, file_ring_slot = 3;

static uint32_t *word(struct ring *r, uint32_t offset)
{
	return (uint32_t *)(r->rings + offset);
}

static size_t sqe_size(const struct ring *r)
{
	return r->flags & IORING_SETUP_SQE128 ? 128 : 64;
}

static struct io_uring_sqe *sqe_at(struct ring *r)
{
	uint32_t i = r->sq_tail & (r->p.sq_entries - 1);
	struct io_uring_sqe *s = (struct io_uring_sqe *)(r->sqes + i * sqe_size(r));

	memset(s, 0, sqe_size(r));
	if (!(r->flags & NO_SQARRAY))
		word(r, r->p.sq_off.array)[i] = i;
	r->sq_tail++;
	return s;
}

static void publish(struct ring *r)
{
	__atomic_store_n(word(r, r->p.sq_off.tail), r->sq_tail, __ATOMIC_RELEASE);
}

static void enter(struct ring *r, unsigned int n, unsigned int wait)
{
	long got = syscall(SYS_io_uring_enter, r->fd, n, wait, wait ? IORING_ENTER_GETEVENTS : 0,
			   NULL, 0);

	if (got != n)
		t_differs("%s: io_uring_enter: %ld of %u: %s", r->name, got, n, strerror(errno));
}

static void nop(struct ring *r, uint64_t data, unsigned int flags)
{
	struct io_uring_sqe *s = sqe_at(r);

	s->opcode = IORING_OP_NOP;
	s->user_data = data;
	s->flags = (uint8_t)flags;
	publish(r);
}

static int32_t reap(struct ring *r, uint64_t data)
{
	size_t size = r->flags & IORING_SETUP_CQE32 ? 32 : 16;
	uint32_t i = r->cq_head & (r->p.cq_entries - 1);
	struct io_uring_cqe *c = (struct io_uring_cqe *)(r->rings + r->p.cq_off.cqes + i * size);

	if (__atomic_load_n(word(r, r->p.cq_off.tail), __ATOMIC_ACQUIRE) == r->cq_head) {
		t_differs("%s: no completion, of %llx", r->name, (unsigned long long)data);
		return -1;
	}
	t_same(r->name, data, c->user_data);
	__atomic_store_n(word(r, r->p.cq_off.head), ++r->cq_head, __ATOMIC_RELEASE);
	return c->res;
}

static void map_ring(struct ring *r)
{
	size_t sq = r->p.sq_off.array + r->p.sq_entries * 4;
	size_t cq =
		r->p.cq_off.cqes + r->p.cq_entries * (r->flags & IORING_SETUP_CQE32 ? 32ul : 16ul);

	r->rings = mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, r->p.sq_entries * sqe_size(r), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	if (r->rings == MAP_FAILED || r->sqes == MAP_FAILED)
		t_fatal("mmap");
	if (r->shared)
		return;
	t_must(madvise(r->rings, sq > cq ? sq : cq, MADV_DONTFORK));
	t_must(madvise(r->sqes, r->p.sq_entries * sqe_size(r), MADV_DONTFORK));
}

static void make(struct ring *r)
{
	r->p.flags = r->flags | (r->cq_entries ? IORING_SETUP_CQSIZE : 0);
	r->p.cq_entries = r->cq_entries;
	r->fd = (int)syscall(SYS_io_uring_setup, r->entries, &r->p);
	if (r->fd < 0 && errno == EINVAL)
		return;	/* older than this flag */
	t_must(r->fd);
	r->there = true;
	map_ring(r);
	for (unsigned int i = 0; i < r->warm; i++) {
		nop(r, i, 0);
		enter(r, 1, 1);
		reap(r, i);
	}
	if (r->warm) {	/* a worker of the kernel's does it, and stays for a while */
		nop(r, 1, IOSQE_ASYNC);
		enter(r, 1, 1);
		reap(r, 1);
	}
	for (unsigned int i = 0; i < r->skipped; i++) {
		nop(r, i, SKIP);
		enter(r, 1, 0);
	}
	if (r->flags & IORING_SETUP_R_DISABLED)
		return;
	if (r->entries > 4) {
		for (uint64_t i = 0; i < 5; i++)
			nop(r, 0x1000 + i, 0);
		enter(r, 3, 0);
	}
}

/* What a ring with a file and buffers goes on to do. */
static void register_all(struct ring *r)
{
	int32_t files[8] = { -1, -1, -1, file, -1, -1, file, -1 };
	struct iovec v[3] = { { buffer, PAGE }, { NULL, 0 }, { buffer + PAGE, 2 * PAGE } };

	t_must(syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_FILES, files, 8));
	t_must(syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_BUFFERS, v, 3));
}

static void read_registered(struct ring *r)
{
	struct io_uring_sqe *s = sqe_at(r);

	memset(buffer + PAGE, 0, 2 * PAGE);
	s->opcode = IORING_OP_READ_FIXED;
	s->fd = file_ring_slot;
	s->flags = IOSQE_FIXED_FILE;
	s->buf_index = 2;
	s->addr = (uintptr_t)(buffer + PAGE);
	s->len = 2 * PAGE;
	s->user_data = 77;
	publish(r);
	enter(r, 1, 1);
	t_same("bytes read", 2 * PAGE, (uint64_t)reap(r, 77));
	t_check("a registered buffer", buffer + PAGE, 2 * PAGE, 9);
	t_same("there are so many buffers", (uint64_t)-1,
	       (uint64_t)syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_BUFFERS, NULL, 0));
}

/* A request that waits, for once. */
static void poll_event(struct ring *r)
{
	int e = t_must(eventfd(0, EFD_CLOEXEC));
	struct io_uring_sqe *s = sqe_at(r);

	s->opcode = IORING_OP_POLL_ADD;
	s->fd = e;
	s->poll32_events = POLLIN;
	s->user_data = 88;
	publish(r);
	enter(r, 1, 0);
	t_must(write(e, &(uint64_t){ 1 }, 8));
	enter(r, 0, 1);
	t_same("what is polled", POLLIN, (uint64_t)reap(r, 88) & POLLIN);
	close(e);
}

static void check(struct ring *r)
{
	struct io_uring_params *p = &r->p;

	if (!r->there)
		return;
	if (r->flags & IORING_SETUP_R_DISABLED) {
		t_same("it is not enabled", (uint64_t)-1,
		       (uint64_t)syscall(SYS_io_uring_enter, r->fd, 0, 0, 0, NULL, 0));
		t_same("why", EBADFD, (uint64_t)errno);
		t_must(syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_ENABLE_RINGS, NULL,
			       0));
	} else if (r->entries > 4) {
		t_same("the kernel's counter", r->sq_tail - 2, *word(r, p->sq_off.head));
		for (uint64_t i = 0; i < 3; i++)
			reap(r, 0x1000 + i);
		enter(r, 2, 2);
		reap(r, 0x1003);
		reap(r, 0x1004);
	}
	for (uint64_t i = 0; i < 300; i++) {
		nop(r, i, 0);
		enter(r, 1, 1);
		reap(r, i);
	}
	t_same("nothing is dropped", 0, *word(r, p->sq_off.dropped) + *word(r, p->cq_off.overflow));
	poll_event(r);
	if (r->skipped) {
		nop(r, 1, SKIP);
		enter(r, 1, 0);
		t_same("it is skipped", r->cq_head, *word(r, p->cq_off.tail));
	}
}

int main(void)
{
	pid_t child;

	t_init();
	buffer = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	file = t_must(open("read", O_RDWR | O_CREAT, 0600));
	t_fill(buffer, 2 * PAGE, 9);
	t_must(write(file, buffer, 2 * PAGE));
	for (size_t i = 0; i + 3 < COUNT; i++)
		make(&all[i]);
	register_all(&all[0]);
	for (size_t i = COUNT - 3; i < COUNT; i++)
		make(&all[i]);
	child = t_must(fork());
	if (child == 0) {
		for (size_t i = 0; i < COUNT; i++)
			if (!all[i].shared && all[i].there)
				close(all[i].fd);
		t_touch("child");
		while (!t_seen("child-too"))
			t_sleep_ms(5);
		for (size_t i = 0; i < COUNT; i++)
			if (all[i].shared)
				check(&all[i]);
		_exit(t_differences ? 1 : 0);
	}
	while (!t_seen("child"))
		t_sleep_ms(5);
	t_ready();
	if (t_spoiled())
		enter(&all[0], 1, 0);
	t_wait();
	for (size_t i = 0; i < COUNT; i++)
		if (!all[i].shared)
			check(&all[i]);
	if (all[0].there)
		read_registered(&all[0]);
	t_touch("child-too");
	t_join_child("the child", child);
	return t_done();
}

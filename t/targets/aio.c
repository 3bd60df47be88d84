/* SPDX-License-Identifier: MIT */
/*
 * AIO contexts: at the same address, with completions that nobody has reaped,
 * also around the end of the ring, and as much room as before.
 */
#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "target.h"

static struct context {
	unsigned int max, warm, waiting;
	aio_context_t ctx;
} all[] = {
	{ .max = 8, .warm = 300, .waiting = 3 },
	{ .max = 1, .warm = 0, .waiting = 0 },
	{ .max = 1000, .warm = 5, .waiting = 200 },
	{ .max = 8, .warm = 0, .waiting = 0 },	/* around its end, see main() */
};
#define COUNT (sizeof(all) / sizeof(all[0]))

static int file;
static char buf[16];

static long submit(aio_context_t ctx, uint64_t data)
{
	struct iocb io = {
		.aio_data = data,
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)file,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = 4 + data % 5,
	};
	struct iocb *list[] = { &io };

	return syscall(SYS_io_submit, ctx, 1, list);
}

static void reap(aio_context_t ctx, uint64_t data)
{
	struct io_event e = { 0 };

	if (syscall(SYS_io_getevents, ctx, 1, 1, &e, NULL) != 1)
		t_differs("io_getevents: %s", strerror(errno));
	t_same("data", data, e.data);
	t_same("result", 4 + data % 5, (uint64_t)e.res);
}

static unsigned int places(const struct context *c)
{
	return ((const unsigned int *)c->ctx)[1];
}

static void check(struct context *c)
{
	unsigned int room = 0;
	struct timespec no = { 0 };
	struct io_event e;

	for (unsigned int i = 0; i < c->waiting; i++)
		reap(c->ctx, 1000 + i);
	t_same("nothing more", 0, (uint64_t)syscall(SYS_io_getevents, c->ctx, 1, 1, &e, &no));
	for (unsigned int i = 0; i < 2 * places(c); i++) {
		t_must(submit(c->ctx, i));
		reap(c->ctx, i);
	}
	while (submit(c->ctx, room) == 1)
		room++;
	t_same("when it is full", EAGAIN, (uint64_t)errno);
	/* Each CPU sets some aside for itself. */
	if (room > places(c) - 1 || 2 * room + 4 < places(c))
		t_differs("it takes %u of %u", room, places(c));
	for (unsigned int i = 0; i < room; i++)
		reap(c->ctx, i);
	t_must(syscall(SYS_io_destroy, c->ctx));
}

int main(void)
{
	t_init();
	file = t_must(open("read", O_RDWR | O_CREAT, 0600));
	t_must(write(file, "0123456789", 10));
	for (size_t i = 0; i < COUNT; i++) {
		struct context *c = &all[i];

		t_must(syscall(SYS_io_setup, c->max, &c->ctx));
		if (i == COUNT - 1) {
			c->warm = places(c) - 2;
			c->waiting = 7;
		}
		for (unsigned int k = 0; k < c->warm; k++) {
			t_must(submit(c->ctx, k));
			reap(c->ctx, k);
		}
		for (unsigned int k = 0; k < c->waiting; k++)
			t_must(submit(c->ctx, 1000 + k));
	}
	t_must(syscall(SYS_io_destroy, all[1].ctx));
	t_must(syscall(SYS_io_setup, 1, (all[1].ctx = 0, &all[1].ctx)));
	t_ready();
	if (t_spoiled())
		reap(all[0].ctx, 1000);
	if (t_spoiled())
		t_must(submit(all[0].ctx, 2000));
	t_wait();
	for (size_t i = 0; i < COUNT; i++)
		check(&all[i]);
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * POSIX message queues: with messages that stay in the queue, with two
 * descriptions, in a child, and without a name.
 */
#include <mqueue.h>

#include "target.h"

static char named[64], gone[64];
static mqd_t rd, wr, both, lost, lost2;

static int open_queue(const char *name, int flags)
{
	struct mq_attr a = { .mq_maxmsg = 5, .mq_msgsize = 100 };

	return t_must(mq_open(name, flags | O_CREAT, 0640, &a));
}

static void expect(const char *what, mqd_t q, const char *text, unsigned int priority)
{
	char buf[100] = "";
	unsigned int prio = 0;

	if (mq_receive(q, buf, sizeof(buf), &prio) < 0)
		t_differs("%s: nothing to receive: %s", what, strerror(errno));
	t_same_str(what, text, buf);
	t_same("its priority", priority, prio);
}

static void check_attr(const char *what, mqd_t q, long flags, long messages)
{
	struct mq_attr a;

	t_must(mq_getattr(q, &a));
	t_same(what, (uint64_t)flags, (uint64_t)a.mq_flags);
	t_same("messages it takes", 5, (uint64_t)a.mq_maxmsg);
	t_same("bytes it takes", 100, (uint64_t)a.mq_msgsize);
	t_same("messages", (uint64_t)messages, (uint64_t)a.mq_curmsgs);
}

static void check(void)
{
	struct stat st;

	check_attr("the reader", rd, 0, 2);
	check_attr("the writer", wr, O_NONBLOCK, 2);
	expect("first message", rd, "second", 9);
	expect("second message", rd, "first", 1);
	check_attr("both", both, O_NONBLOCK, 0);
	t_must(mq_send(both, "x", 2, 3));
	expect("what went through", both, "x", 3);
	/* As it was, for another life. */
	t_must(mq_send(wr, "first", 6, 1));
	t_must(mq_send(wr, "second", 7, 9));
	t_same("write-only", (uint64_t)-1, (uint64_t)mq_receive(wr, (char[100]){ 0 }, 100, NULL));
	check_attr("one without a name", lost, O_NONBLOCK, 0);
	t_must(fstat(lost, &st));
	t_same("its mode", 0600, st.st_mode & 0777);
	t_must(mq_send(lost2, "deep", 5, 4));
	expect("through a queue without a name", lost, "deep", 4);
	t_same("it has no name", (uint64_t)-1, (uint64_t)mq_open(gone, O_RDWR));
}

int main(void)
{
	pid_t child;

	t_init();
	snprintf(named, sizeof(named), "/cr-t-%d", (int)getpid());
	snprintf(gone, sizeof(gone), "/cr-t-gone-%d", (int)getpid());
	umask(022);
	rd = open_queue(named, O_RDONLY);
	wr = open_queue(named, O_WRONLY | O_NONBLOCK);
	t_must(mq_send(wr, "first", 6, 1));
	t_must(mq_send(wr, "second", 7, 9));
	snprintf(named, sizeof(named), "/cr-t-%db", (int)getpid());
	both = open_queue(named, O_RDWR | O_NONBLOCK);
	lost = open_queue(gone, O_RDWR | O_NONBLOCK);
	lost2 = open_queue(gone, O_WRONLY);
	t_must(fchmod(lost, 0600));
	t_must(mq_unlink(gone));
	child = t_must(fork());
	if (child == 0) {
		t_wait();
		t_must(mq_getattr(lost, &(struct mq_attr){ 0 }));
		_exit(0);
	}
	t_ready();
	if (t_spoiled())
		t_must(fchmod(lost, 0644));
	t_wait();
	t_join_child("the child", child);
	check();
	return t_done();
}

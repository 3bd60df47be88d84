/* SPDX-License-Identifier: MIT */
/*
 * Owners of files: F_SETOWN, F_SETOWN_EX with a process, a thread and a group,
 * F_SETSIG, O_ASYNC, and that the signal comes; of a file that only a message has.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "target.h"

static int plain, own, group, by_thread, async[2], sent[2];
static volatile sig_atomic_t got_signal, got_fd;
static pid_t thread_id;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	got_signal = sig;
	got_fd = info->si_fd;
}

static void *thread_main(void *arg)
{
	(void)arg;
	__atomic_store_n(&thread_id, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

static void set_owner(int fd, int type, pid_t pid)
{
	struct f_owner_ex ex = { .type = type, .pid = pid };

	t_must(fcntl(fd, F_SETOWN_EX, &ex));
}

static void expect_owner(const char *what, int fd, int type, pid_t pid)
{
	struct f_owner_ex ex;

	t_must(fcntl(fd, F_GETOWN_EX, &ex));
	t_same(what, (uint64_t)pid, (uint64_t)ex.pid);
	if (pid)
		t_same("its type", (uint64_t)type, (uint64_t)ex.type);
}

union control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void send_one(int to, int fd)
{
	union control control = { .buf = "" };
	struct iovec iov = { (void *)"x", 1 };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	t_must(sendmsg(to, &h, 0));
	close(fd);
}

static int receive_one(int from)
{
	union control control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(from, &h, MSG_DONTWAIT) == 1 && CMSG_FIRSTHDR(&h))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(int));
	return fd;
}

static void send_away(void)
{
	int fd = t_must(open("sent", O_RDWR | O_CREAT, 0600));

	t_must(socketpair(AF_UNIX, SOCK_STREAM, 0, sent));
	set_owner(fd, F_OWNER_TID, thread_id);
	t_must(fcntl(fd, F_SETSIG, SIGRTMIN + 4));
	send_one(sent[0], fd);
}

int main(void)
{
	int fd;
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	pthread_t thread;

	t_init();
	t_must(pthread_create(&thread, NULL, thread_main, NULL) ? -1 : 0);
	while (!__atomic_load_n(&thread_id, __ATOMIC_ACQUIRE))
		t_sleep_ms(1);
	plain = t_must(open("plain", O_RDWR | O_CREAT, 0600));
	own = t_must(open("own", O_RDWR | O_CREAT, 0600));
	group = t_must(open("group", O_RDWR | O_CREAT, 0600));
	by_thread = t_must(open(".", O_RDONLY | O_DIRECTORY));
	set_owner(own, F_OWNER_PID, getpid());
	t_must(fcntl(own, F_SETSIG, SIGRTMIN + 1));
	t_must(fcntl(plain, F_SETSIG, SIGRTMIN + 3));
	set_owner(group, F_OWNER_PGRP, getpgrp());
	set_owner(by_thread, F_OWNER_TID, thread_id);
	sigaction(SIGRTMIN + 2, &sa, NULL);
	t_must(pipe2(async, O_NONBLOCK));
	set_owner(async[0], F_OWNER_PID, getpid());
	t_must(fcntl(async[0], F_SETSIG, SIGRTMIN + 2));
	t_must(fcntl(async[0], F_SETFL, O_NONBLOCK | O_ASYNC));
	send_away();
	t_ready();
	if (t_spoiled())
		set_owner(own, F_OWNER_PID, 0);
	t_wait();
	expect_owner("no owner", plain, F_OWNER_PID, 0);
	t_same("a signal without one", (uint64_t)(SIGRTMIN + 3), (uint64_t)fcntl(plain, F_GETSIG));
	expect_owner("a process", own, F_OWNER_PID, getpid());
	expect_owner("a group", group, F_OWNER_PGRP, getpgrp());
	expect_owner("a thread", by_thread, F_OWNER_TID, thread_id);
	t_same("its signal", (uint64_t)(SIGRTMIN + 1), (uint64_t)fcntl(own, F_GETSIG));
	t_same("flags", O_RDONLY | O_NONBLOCK | O_ASYNC, (uint64_t)fcntl(async[0], F_GETFL));
	fd = receive_one(sent[1]);
	expect_owner("of what was sent", fd, F_OWNER_TID, thread_id);
	t_same("its signal", (uint64_t)(SIGRTMIN + 4), (uint64_t)fcntl(fd, F_GETSIG));
	t_must(write(async[1], "x", 1));
	for (int i = 0; i < 1000 && !got_signal; i++)
		t_sleep_ms(1);
	t_same("the signal comes", (uint64_t)(SIGRTMIN + 2), (uint64_t)got_signal);
	t_same("and says for what", (uint64_t)async[0], (uint64_t)got_fd);
	return t_done();
}

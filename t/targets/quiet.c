/* SPDX-License-Identifier: MIT */
/*
 * A process with a little of everything that makes no system call until it gets
 * SIGUSR1, so that whoever counts or breaks calls has those of others only.
 * Then it compares.  Two threads wait, a child waits for a byte.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "target.h"

#define SIZE (64ul << 10)
#define THREADS 2

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static bool go;
static __thread uint64_t own;

static void *wait_and_check(void *arg)
{
	own = t_mix((uint64_t)arg);
	pthread_mutex_lock(&lock);
	while (!go)
		pthread_cond_wait(&woken, &lock);
	pthread_mutex_unlock(&lock);
	t_same("thread-local word", t_mix((uint64_t)arg), own);
	return NULL;
}

static void *filled(int flags, uint64_t seed)
{
	void *p = t_must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0));

	t_fill(p, SIZE, seed);
	return p;
}

/* Waits for a byte, then looks whether all is as it was. */
static pid_t start_child(int pipefd[2], void *private, void *shared)
{
	pid_t pid = t_must(fork());
	char byte;

	if (pid)
		return pid;
	close(pipefd[1]);
	if (read(pipefd[0], &byte, 1) != 1)
		t_differs("the child's pipe");
	t_check("the child's memory", private, SIZE, 1);
	t_check("shared memory in the child", shared, SIZE, 2);
	_exit(t_differences ? 1 : 0);
}

static int file(const char *name, bool unlinked)
{
	int fd = t_must(open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644));

	if (write(fd, "0123456789", 10) != 10)
		t_fatal("write");
	t_must(lseek(fd, 4, SEEK_SET));
	if (unlinked)
		t_must(unlink(name));
	return fd;
}

static void check_file(const char *what, int fd)
{
	char buf[16] = "";

	if (read(fd, buf, sizeof(buf) - 1) < 0)
		t_differs("%s: %s", what, strerror(errno));
	t_same_str(what, "456789", buf);
}

int main(void)
{
	int pipefd[2], pair[2], plain, deleted, event, sig;
	void *private = filled(MAP_PRIVATE, 1), *shared = filled(MAP_SHARED, 2);
	pthread_t threads[THREADS];
	uint64_t count = 0;
	char buf[16] = "";
	sigset_t set;
	pid_t child;

	t_init();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	t_must(pipe(pipefd));
	child = start_child(pipefd, private, shared);
	for (uint64_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, wait_and_check, (void *)i);
	plain = file("data", false);
	deleted = file("deleted", true);
	event = t_must(eventfd(7, EFD_CLOEXEC));
	t_must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	t_must(send(pair[0], "queued", 6, 0));
	t_ready();
	if (t_spoiled())
		t_fill(private, SIZE, 3);
	while (sigwait(&set, &sig))
		;
	t_check("memory", private, SIZE, 1);
	t_check("shared memory", shared, SIZE, 2);
	check_file("a file", plain);
	check_file("a deleted file", deleted);
	t_must(read(event, &count, sizeof(count)));
	t_same("eventfd", 7, count);
	t_must(recv(pair[1], buf, sizeof(buf) - 1, MSG_DONTWAIT));
	t_same_str("socket", "queued", buf);
	t_must(write(pipefd[1], "x", 1));
	t_join_child("the child", child);
	pthread_mutex_lock(&lock);
	go = true;
	pthread_cond_broadcast(&woken);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * Children of a thread that is not the main one: one that lives, one that is a
 * zombie, and with "root" as argument one that is left alone with the test: it
 * says its pid in the file "child", and verifies itself.
 */
#include <pthread.h>
#include <sys/prctl.h>

#include "target.h"

static pid_t zombie, child;
static bool leaves;
static pthread_barrier_t made, look;

static void be_root(void)
{
	char text[16];
	int fd;

	t_must(setsid());
	fd = t_must(open("child", O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
	snprintf(text, sizeof(text), "%d", (int)getpid());
	t_must(write(fd, text, strlen(text)));
	close(fd);
	t_ready();
	t_wait();
	_exit(t_done());
}

static void be_child(void)
{
	pid_t parent = getppid();

	t_wait();
	t_same("its parent", (uint64_t)parent, (uint64_t)getppid());
	_exit(t_done());
}

static void *thread(void *arg)
{
	siginfo_t info = { 0 };

	zombie = t_must(fork());
	if (zombie == 0)
		_exit(17);
	t_must(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT));
	child = t_must(fork());
	if (child == 0 && leaves)
		be_root();
	if (child == 0)
		be_child();
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&look);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t;
	int status = 0;

	(void)argv;
	t_init();
	leaves = argc > 1;
	pthread_barrier_init(&made, NULL, 2);
	pthread_barrier_init(&look, NULL, 2);
	if (pthread_create(&t, NULL, thread, NULL))
		t_fatal("pthread_create");
	pthread_barrier_wait(&made);
	if (!leaves)
		t_ready();
	if (t_spoiled())
		t_must(waitpid(zombie, &status, 0));
	t_wait();
	pthread_barrier_wait(&look);
	pthread_join(t, NULL);
	if (waitpid(zombie, &status, 0) != zombie)
		t_differs("the zombie is gone");
	else
		t_same("its status", 17, (uint64_t)WEXITSTATUS(status));
	if (leaves)
		waitpid(child, NULL, 0);
	else
		t_join_child("child", child);
	return t_done();
}

/* SPDX-License-Identifier: MIT */
/*
 * A tree of processes: children and grandchildren with parents, sessions and
 * process groups, some led by a process deep in the tree.  Argument: number of
 * plain children more (for trees of hundreds).
 */
#include "target.h"

struct ids {
	pid_t pid, ppid, pgid, sid;
};

static struct ids ids_now(void)
{
	return (struct ids){ getpid(), getppid(), getpgid(0), getsid(0) };
}

static void compare(const char *name, const struct ids *was)
{
	struct ids is = ids_now();
	char what[64];

	snprintf(what, sizeof(what), "%s: pid", name);
	t_same(what, (uint64_t)was->pid, (uint64_t)is.pid);
	snprintf(what, sizeof(what), "%s: parent", name);
	if (strcmp(name, "root") != 0)	/* its parent is not in the tree */
		t_same(what, (uint64_t)was->ppid, (uint64_t)is.ppid);
	snprintf(what, sizeof(what), "%s: process group", name);
	t_same(what, (uint64_t)was->pgid, (uint64_t)is.pgid);
	snprintf(what, sizeof(what), "%s: session", name);
	t_same(what, (uint64_t)was->sid, (uint64_t)is.sid);
}

enum own { PLAIN, OWN_GROUP, OWN_SESSION };

struct node {
	const char *name;
	int parent;		/* index, -1: the root */
	enum own own;
	int join;		/* index of whose group to enter, -1: none */
};

static const struct node nodes[] = {
	{ "plain child", -1, PLAIN, -1 },
	{ "group leader", -1, OWN_GROUP, -1 },
	{ "group member", -1, PLAIN, 1 },
	{ "session leader", -1, OWN_SESSION, -1 },
	{ "child of the session leader", 3, PLAIN, -1 },
	{ "group leader in that session", 3, OWN_GROUP, -1 },
	{ "its group member", 3, PLAIN, 5 },
	{ "grandchild", 4, PLAIN, -1 },
	{ "session leader below", 7, OWN_SESSION, -1 },
	{ "its child", 8, PLAIN, -1 },
};

#define N (int)(sizeof(nodes) / sizeof(nodes[0]))

static void live(int me);

/* Child and parent both do it, so that it is done whoever runs first. */
static void place(int k, pid_t pid, const pid_t *pids)
{
	if (nodes[k].own == OWN_GROUP)
		t_must(setpgid(pid, pid));
	if (nodes[k].join >= 0)
		t_must(setpgid(pid, pids[nodes[k].join]));
}

static void start_children(int me, pid_t pids[N])
{
	for (int k = 0; k < N; k++) {
		if (nodes[k].parent != me)
			continue;
		pids[k] = t_must(fork());
		if (pids[k] == 0) {
			place(k, getpid(), pids);
			if (nodes[k].own == OWN_SESSION)
				t_must(setsid());
			live(k);
			_exit(t_differences ? 1 : 0);
		}
		place(k, pids[k], pids);
	}
}

static void live(int me)
{
	const char *name = me < 0 ? "root" : nodes[me].name;
	struct ids ids = ids_now();
	pid_t pids[N] = { 0 };

	start_children(me, pids);
	if (t_spoiled() && me == 5)
		ids.pgid++;
	t_touch(name);
	t_wait();
	if (me < 0)
		ids.ppid = getppid();	/* whoever has restored it */
	compare(name, &ids);
	for (int k = 0; k < N; k++)
		if (pids[k])
			t_join_child(nodes[k].name, pids[k]);
}

static void plain(int i, pid_t parent)
{
	struct ids ids = { getpid(), parent, parent, parent };
	char name[32];

	snprintf(name, sizeof(name), "child %d", i);
	t_touch(name);
	t_wait();
	compare(name, &ids);
	_exit(t_differences ? 1 : 0);
}

static void wait_file(const char *name)
{
	while (!t_seen(name))
		t_sleep_ms(1);
}

/* A child that says "ready" once all are there. */
static void announce(int more)
{
	char name[32];

	if (t_must(fork()))
		return;
	wait_file("root");
	for (int k = 0; k < N; k++)
		wait_file(nodes[k].name);
	for (int i = 0; i < more; i++) {
		snprintf(name, sizeof(name), "child %d", i);
		wait_file(name);
	}
	t_ready();
	t_wait();
	_exit(0);
}

int main(int argc, char **argv)
{
	int more = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0, status;
	pid_t pid;

	t_init();
	if (getsid(0) != getpid())
		t_must(setsid());
	for (int i = 0; i < more; i++) {
		pid = getpid();
		if (t_must(fork()) == 0)
			plain(i, pid);
	}
	announce(more);
	live(-1);
	while ((pid = waitpid(-1, &status, 0)) > 0)
		if (status != 0)
			t_differs("child %d ended with status %#x", (int)pid, (unsigned int)status);
	return t_done();
}

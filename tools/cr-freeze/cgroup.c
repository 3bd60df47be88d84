/* SPDX-License-Identifier: MIT */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "msg.h"
#include "outlive.h"
#include "tree.h"

#define LOOK_NS 500000l
#define KICK_LOOKS 100
#define MAX_DEPTH 32
#define NONE (-1)

struct cgroup {
	char *path;
	int control;	/* cgroup.freeze or freezer.state */
	int state;	/* cgroup.events or freezer.state */
	bool v1;
	bool was_frozen;
	bool held;
	pid_t watcher;
};

static int open_in(int dir, const char *name, int flags)
{
	return openat(dir, name, flags | O_CLOEXEC);
}

static bool read_state(const struct cgroup *g, char *buf, size_t size)
{
	ssize_t n = pread(g->state, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool is_frozen(const struct cgroup *g)
{
	char text[256];

	if (!read_state(g, text, sizeof(text)))
		return false;
	return g->v1 ? strncmp(text, "FROZEN", 6) == 0 : strstr(text, "frozen 1") != NULL;
}

static int set_frozen(const struct cgroup *g, bool on, struct cr_err *err)
{
	const char *v1 = on ? "FROZEN" : "THAWED", *text = g->v1 ? v1 : on ? "1" : "0";

	if (pwrite(g->control, text, strlen(text), 0) < 0)
		return cr_err_sys(err, "%s: unable to %s the cgroup", g->path,
				  on ? "freeze" : "thaw");
	return 0;
}

/* What was asked for, whether or not everything has come to rest. */
static bool asked_frozen(const struct cgroup *g)
{
	char text[64];
	ssize_t n = pread(g->control, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return g->v1 ? strncmp(text, "FR", 2) == 0 : text[0] == '1';
}

static int open_cgroup(struct cgroup *g, int dir, struct cr_err *err)
{
	g->control = open_in(dir, "cgroup.freeze", O_RDWR);
	if (g->control >= 0) {
		g->state = open_in(dir, "cgroup.events", O_RDONLY);
	} else {
		g->v1 = true;
		g->control = open_in(dir, "freezer.state", O_RDWR);
		g->state = open_in(dir, "freezer.state", O_RDONLY);
	}
	if (g->control < 0 || g->state < 0)
		return cr_err_set(err, CR_REFUSED,
				  "%s: no cgroup that can be frozen (it has neither "
				  "cgroup.freeze nor freezer.state)",
				  g->path);
	return 0;
}

/* Call @see for every process in the cgroup and those below it. */
static int each_process(int dir, int depth, void (*see)(void *ctx, pid_t pid), void *ctx)
{
	int procs = open_in(dir, "cgroup.procs", O_RDONLY);
	cr_auto_file FILE *f = procs < 0 ? NULL : fdopen(procs, "r");
	cr_auto_dir DIR *d = NULL;
	struct dirent *e;
	int pid, copy;

	while (f && fscanf(f, "%d", &pid) == 1)
		see(ctx, pid);
	copy = open_in(dir, ".", O_RDONLY | O_DIRECTORY);
	d = copy < 0 ? NULL : fdopendir(copy);
	while (d && depth < MAX_DEPTH && (e = readdir(d))) {
		cr_auto_fd int below = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		below = open_in(dir, e->d_name, O_RDONLY | O_DIRECTORY);
		if (below >= 0 && each_process(below, depth + 1, see, ctx) < 0)
			return -1;
	}
	return f && d ? 0 : -1;
}

struct inhabitants {
	pid_t root;
	bool has_root;
	bool has_us;
};

static void look_at(void *ctx, pid_t pid)
{
	struct inhabitants *in = ctx;

	in->has_root |= pid == in->root;
	in->has_us |= pid == getpid();
}

static int check_inhabitants(const struct cgroup *g, int dir, pid_t root, struct cr_err *err)
{
	struct inhabitants in = { .root = root };

	if (each_process(dir, 0, look_at, &in) < 0)
		return cr_err_sys(err, "%s: unable to list its processes", g->path);
	if (in.has_us)
		return cr_err_set(err, CR_REFUSED,
				  "%s: this program is in that cgroup and would freeze itself",
				  g->path);
	if (!in.has_root)
		return cr_err_set(err, CR_REFUSED, "%s: pid %d is not in that cgroup", g->path,
				  (int)root);
	return 0;
}

void cgroup_put_back(struct cgroup *g)
{
	struct cr_err err;

	if (g->held && asked_frozen(g) != g->was_frozen && set_frozen(g, g->was_frozen, &err) < 0)
		cr_msg("%s", err.msg);
}

/* Whatever ends this program, the cgroup is not left as we have it. */
static int start_watcher(struct cgroup *g, struct cr_err *err)
{
	cr_auto_fd int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return cr_err_sys(err, "pidfd_open");
	g->watcher = fork();
	if (g->watcher < 0)
		return cr_err_sys(err, "unable to fork a watcher");
	if (g->watcher > 0)
		return 0;
	cr_outlive("cr-freeze-watch");
	/* It must keep no pipe of the pipeline open. */
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	for (int fd = 3; fd < 1024; fd++)
		if (fd != pidfd && fd != g->control && fd != g->state)
			close(fd);
	while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
		;
	cgroup_put_back(g);
	_exit(0);
}

static void stop_watcher(const struct cgroup *g)
{
	if (g->watcher <= 0)
		return;
	kill(g->watcher, SIGKILL);
	while (waitpid(g->watcher, NULL, 0) < 0 && errno == EINTR)
		;
}

static void cgroup_free(struct cgroup *g)
{
	stop_watcher(g);
	if (g->control >= 0)
		close(g->control);
	if (g->state >= 0)
		close(g->state);
	free(g->path);
	free(g);
}

static int freeze(struct cgroup *g, unsigned int timeout_ms, struct cr_err *err)
{
	uint64_t until = timeout_ms ? cr_now_ns() + timeout_ms * 1000000ull : UINT64_MAX;
	struct timespec tick = { 0, LOOK_NS };

	cr_fault("cgroup-freeze");
	if (set_frozen(g, true, err) < 0)
		return -1;
	cr_fault("cgroup-freezing");
	for (int looks = 1; !is_frozen(g); looks++) {
		/* What was forked meanwhile may have escaped the freezer of v1. */
		if (g->v1 && looks % KICK_LOOKS == 0 &&
		    (set_frozen(g, looks / KICK_LOOKS % 2 == 0, err) < 0 ||
		     set_frozen(g, true, err) < 0))
			return -1;
		if (cr_now_ns() >= until)
			return cr_err_set(err, CR_REFUSED,
					  "%s: the cgroup does not freeze in time; it is let go",
					  g->path);
		nanosleep(&tick, NULL);
	}
	cr_fault("cgroup-frozen");
	return 0;
}

int cgroup_open(const char *path, pid_t root, struct cgroup **out, struct cr_err *err)
{
	cr_auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cgroup *g = calloc(1, sizeof(*g));

	*out = NULL;
	if (dir < 0) {
		free(g);
		return cr_err_sys(err, "unable to open %s", path);
	}
	if (!g)
		return cr_err_sys(err, "out of memory");
	g->control = g->state = NONE;
	g->path = strdup(path);
	if (!g->path)
		cr_err_sys(err, "out of memory");
	else if (open_cgroup(g, dir, err) == 0 && check_inhabitants(g, dir, root, err) == 0)
		*out = g;
	if (!*out) {
		cgroup_free(g);
		return -1;
	}
	return 0;
}

int cgroup_hold(struct cgroup *g, unsigned int timeout_ms, struct cr_err *err)
{
	g->was_frozen = asked_frozen(g);
	g->held = true;
	if (start_watcher(g, err) < 0)
		return -1;
	return freeze(g, timeout_ms, err);
}

int cgroup_let_go(struct cgroup *g, struct cr_err *err)
{
	cr_fault("cgroup-seized");
	return set_frozen(g, false, err);
}

void cgroup_end(struct cgroup *g)
{
	if (!g)
		return;
	cgroup_put_back(g);
	cr_fault("cgroup-back");
	cgroup_free(g);
}

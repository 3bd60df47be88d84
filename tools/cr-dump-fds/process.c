/* SPDX-License-Identifier: MIT */
/* A frozen process, and with whom it shares its table and directories. */
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dump.h"
#include "proc.h"
#include "sem.h"

static int open_process(const Cr__Task *task, struct process **out, struct cr_err *err)
{
	struct process *p = calloc(1, sizeof(*p));
	char path[64];

	*out = p;
	if (!p)
		return cr_err_sys(err, "out of memory");
	p->task = (pid_t)task->pid;
	p->pid = (pid_t)(task->dead_leader && task->n_tids ? task->tids[0] : task->pid);
	p->fd_dir = -1;
	p->pidfd = cr_proc_pidfd(p->pid, err);
	if (p->pidfd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)p->pid);
	p->fd_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->fd_dir < 0)
		return cr_err_sys(err, "unable to open %s", path);
	return 0;
}

static int keep_process(struct dump *d, struct process *p, struct cr_err *err)
{
	/* Room grows at each power of two. */
	if ((d->n_procs & (d->n_procs - 1)) == 0) {
		unsigned int room = d->n_procs ? d->n_procs * 2 : 1;
		struct process **grown = realloc(d->procs, room * sizeof(*grown));

		if (!grown)
			return cr_err_sys(err, "out of memory");
		d->procs = grown;
	}
	d->procs[d->n_procs++] = p;
	return 0;
}

/* The process before this one that it shares something with; NULL: none. */
static int find_same(struct dump *d, const struct process *p, uint32_t pid, struct process **same,
		     struct cr_err *err)
{
	*same = NULL;
	for (unsigned int i = 0; pid && i < d->n_procs; i++)
		if (d->procs[i]->task == (pid_t)pid && d->procs[i] != p)
			*same = d->procs[i];
	if (pid && !*same)
		return cr_err_set(err, CR_BAD_INPUT, "pid %d: no process %u stands before it",
				  (int)p->task, pid);
	return 0;
}

/* Threads are expected to share both with their process. */
static int check_threads(struct dump *d, const Cr__Task *task, struct cr_err *err)
{
	static const struct {
		int type;
		const char *what;
	} checks[] = {
		{ KCMP_FILES, "has a descriptor table of its own: not supported" },
		{ KCMP_FS, "has a working directory of its own: not supported" },
	};
	char object[32];

	for (size_t t = 1; t < task->n_tids; t++)
		for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
			if (syscall(SYS_kcmp, task->tids[0], task->tids[t], checks[i].type, 0, 0) ==
			    0)
				continue;
			if (cr_proc_ended((pid_t)task->tids[0]) ||
			    cr_proc_ended((pid_t)task->tids[t]))
				return cr_err_set(err, CR_SYSTEM,
						  "pid %u: thread %u ended while it was frozen",
						  task->pid, task->tids[t]);
			snprintf(object, sizeof(object), "thread %u", task->tids[t]);
			if (cr_stage_refuse(d->st, (pid_t)task->pid, object, checks[i].what, "",
					    err) < 0)
				return -1;
		}
	return 0;
}

static int add_tids(struct dump *d, const Cr__Task *task, struct cr_err *err)
{
	void *value = (void *)(uintptr_t)task->pid;

	if (!map_get(&d->tids, task->pid) && map_put(&d->tids, task->pid, value, err) < 0)
		return -1;
	for (size_t i = 0; i < task->n_tids; i++)
		if (task->tids[i] != task->pid && !map_get(&d->tids, task->tids[i]) &&
		    map_put(&d->tids, task->tids[i], value, err) < 0)
			return -1;
	return 0;
}

static int add_session(struct dump *d, const Cr__Task *task, struct cr_err *err)
{
	bool outside = task->pid == cr_stage_header(d->st)->root_pid && task->sid != task->pid;
	struct session *s;

	if (!task->tty_nr || (task->sid != task->pid && !outside))
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return cr_err_sys(err, "out of memory");
	s->sid = (pid_t)task->sid;
	s->outside = outside;
	s->tty_nr = task->tty_nr;
	s->tpgid = task->tpgid;
	s->next = d->sessions;
	d->sessions = s;
	return 0;
}

pid_t process_of(const struct dump *d, pid_t tid)
{
	return (pid_t)(uintptr_t)map_get(&d->tids, (uint64_t)tid);
}

bool process_of_path(const char *path, pid_t *tid)
{
	int pid;

	if (sscanf(path, "/proc/%d/task/%d", &pid, tid) == 2)
		return true;
	return sscanf(path, "/proc/%d", tid) == 1;
}

const char *process_thread_is_late(const struct dump *d, pid_t tid)
{
	pid_t task = process_of(d, tid);

	for (unsigned int i = 0; task != tid && i < d->n_procs; i++)
		if (d->procs[i]->task == task && d->procs[i]->shares_vm)
			return "of a thread of a process that shares its memory: not supported";
	return NULL;
}

bool process_is_zombie(const struct dump *d, pid_t tid)
{
	pid_t task = process_of(d, tid);

	for (unsigned int i = 0; i < d->n_procs; i++)
		if (d->procs[i]->task == task)
			return false;
	return task != 0;
}

const char *process_path_is_late(const struct dump *d, const char *path)
{
	pid_t tid, task;

	task = process_of_path(path, &tid) ? process_of(d, tid) : 0;
	if (task != tid)
		return task ? process_thread_is_late(d, tid) : NULL;
	for (unsigned int i = 0; strstr(path, "/task/") && i < d->n_procs; i++)
		if (d->procs[i]->task == task && d->procs[i]->pid != task)
			return "of a main thread that has ended: not supported";
	return NULL;
}

static int note_vm(struct dump *d, struct process *p, uint32_t same_as, struct cr_err *err)
{
	struct process *owner;

	if (find_same(d, p, same_as, &owner, err) < 0)
		return -1;
	p->shares_vm = owner;
	if (owner)
		owner->shares_vm = true;
	return 0;
}

int process_dump(struct dump *d, const Cr__Task *task, struct cr_err *err)
{
	struct process *p;

	if (add_tids(d, task, err) < 0)
		return -1;
	if (task->state == CR__TASK_STATE__ZOMBIE)
		return 0;
	if (add_session(d, task, err) < 0)
		return -1;
	if (open_process(task, &p, err) < 0 ||
	    find_same(d, p, task->files_same_as, &p->same, err) < 0 ||
	    find_same(d, p, task->fs_same_as, &p->same_fs, err) < 0 ||
	    note_vm(d, p, task->vm_same_as, err) < 0 || keep_process(d, p, err) < 0)
		goto fail;
	if (check_threads(d, task, err) < 0 || sem_check(d, p, task, err) < 0)
		return -1;
	return table_dump(d, p, err) < 0 ? -1 : fs_dump(d, p, true, err);
fail:
	process_free(p);
	return -1;
}

bool process_has(const struct process *p, const struct file *f)
{
	while (p->same)
		p = p->same;
	for (unsigned int i = 0; i < p->n_table; i++)
		if (p->table[i].file == f)
			return true;
	return false;
}

bool file_is_shared(const struct dump *d, const struct file *f)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < d->n_procs; i++)
		n += process_has(d->procs[i], f);
	return n > 1;
}

struct file *process_file(const struct process *p, int fd)
{
	unsigned int lo = 0, hi;

	while (p->same)
		p = p->same;
	hi = p->n_table;
	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (p->table[mid].fd == fd)
			return p->table[mid].file;
		if (p->table[mid].fd < fd)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void process_free(struct process *p)
{
	if (!p)
		return;
	if (p->pidfd >= 0)
		close(p->pidfd);
	if (p->fd_dir >= 0)
		close(p->fd_dir);
	free(p->table);
	free(p);
}

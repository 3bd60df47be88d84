/* SPDX-License-Identifier: MIT */
#include "sem.h"

#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "peek.h"
#include "proc.h"

#define START_TIME 22 /* proc_pid_stat(5), in ticks since boot */

/* A set of the machine. */
struct set {
	int id;
	unsigned int count;
	uint64_t operated; /* the last semop(2), seconds since the epoch */
};

struct sems {
	struct set *list;
	unsigned int count;
};

/* Columns: key semid perms nsems uid gid cuid cgid otime ctime */
static int parse(const char *line, struct set *s)
{
	return sscanf(line, "%*d %d %*o %u %*u %*u %*u %*u %" SCNu64, &s->id, &s->count,
		      &s->operated) == 3;
}

/* All sets that there are, once. */
static const struct sems *all_sets(struct dump *d, struct cr_err *err)
{
	cr_auto_file FILE *f = NULL;
	struct set s, *grown;
	char line[256];

	if (d->sems)
		return d->sems;
	d->sems = calloc(1, sizeof(*d->sems));
	if (!d->sems)
		goto fail;
	f = fopen("/proc/sysvipc/sem", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!parse(line, &s) || !s.operated)
			continue;
		grown = realloc(d->sems->list, (d->sems->count + 1) * sizeof(*grown));
		if (!grown)
			goto fail;
		d->sems->list = grown;
		grown[d->sems->count++] = s;
	}
	return d->sems;
fail:
	cr_err_sys(err, "out of memory");
	return NULL;
}

/* Was the last operation on one of its semaphores by a process of the tree? */
static bool used_by(const struct set *s, const struct process *p)
{
	for (unsigned int i = 0; i < s->count; i++)
		if (semctl(s->id, (int)i, GETPID) == p->task)
			return true;
	return false;
}

/* When the process began, seconds since the epoch, rounded down. */
static int start_time(const struct process *p, uint64_t *out, struct cr_err *err)
{
	struct cr_proc_stat st;
	struct timespec now, up;
	uint64_t age;

	if (cr_proc_stat(p->pid, &st, err) < 0)
		return -1;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	age = (uint64_t)up.tv_sec - st.field[START_TIME] / (uint64_t)sysconf(_SC_CLK_TCK);
	*out = (uint64_t)now.tv_sec - age - 1;
	return 0;
}

/* Has it no list, or an empty one?  False when that cannot be seen. */
static bool has_nothing(struct dump *d, const struct process *p)
{
	struct peek k = { .kernel = dump_peek(d) };
	uint64_t list, head;

	if (!k.kernel)
		return false;
	list = peek_member(&k, peek_task(&k, p->pid), "task_struct", "sysvsem", 8);
	if (peek_fault(&k) || !list)
		return !peek_fault(&k);
	head = peek_address(&k, list, "sem_undo_list", "list_proc");
	return peek_u64(&k, head) == head && !peek_fault(&k);
}

static int refuse(struct dump *d, const struct process *p, const struct set *s, struct cr_err *err)
{
	char object[64];

	snprintf(object, sizeof(object), "System V semaphores %d", s->id);
	return cr_stage_refuse(d->st, p->task, object,
			       "it may have operations to be undone at its end (SEM_UNDO), which "
			       "cannot be read: not supported",
			       "let it take them back, or remove the set", err);
}

/*
 * A process gets a list of what is to be undone with its first such operation,
 * or with its first thread.  Where the kernel's memory cannot be read, to have one
 * says something of a process without threads; with threads all that can be told
 * is who was the last to use a semaphore.
 */
int sem_check(struct dump *d, const struct process *p, const Cr__Task *task, struct cr_err *err)
{
	const struct sems *sems = all_sets(d, err);
	uint64_t since = 0;

	if (!sems)
		return -1;
	if (!sems->count || syscall(SYS_kcmp, getpid(), p->pid, KCMP_SYSVSEM, 0, 0) == 0)
		return 0;
	if (start_time(p, &since, err) < 0)
		return -1;
	for (unsigned int i = 0; i < sems->count; i++) {
		const struct set *s = &sems->list[i];

		if (s->operated < since)
			continue;
		if (task->n_tids >= 2 && !used_by(s, p))
			continue;
		if (has_nothing(d, p))
			return 0;
		if (refuse(d, p, s, err) < 0)
			return -1;
	}
	return 0;
}

void sem_free(struct dump *d)
{
	if (d->sems)
		free(d->sems->list);
	free(d->sems);
	d->sems = NULL;
}

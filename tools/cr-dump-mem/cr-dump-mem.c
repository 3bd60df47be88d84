/* SPDX-License-Identifier: MIT */
/*
 * cr-dump-mem: a stage of the pipeline that adds the address spaces of the
 * frozen processes, and writes their pages into the image directory.
 */
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "fault.h"
#include "files.h"
#include "huge.h"
#include "ghost.h"
#include "list.h"
#include "loans.h"
#include "opt.h"
#include "sysv.h"
#include "warm.h"

#define HOLD_MS 30000	/* the freeze waits for warm_up() that long */

static struct dump dump = { .ghost_limit = CR_GHOST_LIMIT, .dirfd = -1, .pages_fd = -1 };

static const struct cr_opt options[] = {
	{ 'D', "images-dir", CR_OPT_STR, "DIR", "write pages and deleted files into DIR",
	  &dump.dir },
	{ 0, "ghost-limit", CR_OPT_SIZE, "SIZE", "largest deleted file that is carried (1M)",
	  &dump.ghost_limit },
	{ 0, "link-remap", CR_OPT_BOOL, NULL, "make a link to a deleted file that has others",
	  &dump.link_remap },
	{ 0, "embed-files", CR_OPT_BOOL, NULL, "carry a copy of every mapped file", &dump.embed },
	{ 0, NULL, 0, NULL, NULL, NULL },
};

static const struct cr_opt_spec spec = {
	.name = "cr-dump-mem",
	.operands = "",
	.purpose = "Add the memory of frozen processes to the stream.",
	.opts = options,
};

/* Nothing is frozen yet: what can be done now costs the target no time. */
static int prepare(struct cr_stage *st, struct dump *d, struct cr_err *err)
{
	d->st = st;
	if (!cr_stage_session(st, err))
		return cr_err_wrap(err, "the stream comes from no freeze that lasts");
	if (files_new(&d->files, err) < 0)
		return -1;
	if (!d->dir)
		return 0;
	d->dirfd = cr_image_dir(d->dir, true, err);
	if (d->dirfd < 0)
		return -1;
	d->pages_fd = cr_image_create(d->dirfd, "pages", d->pages_name, err);
	if (d->pages_fd < 0)
		return -1;
	cr_fault("pages-file");
	return loans_new(&d->loans, err) < 0 ? -1 : pool_open(d->pages_fd, &d->pool, err);
}

static int start(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	if (prepare(st, ctx, err) < 0)
		return -1;
	warm_up(ctx, (pid_t)cr_stage_header(st)->root_pid);
	return 0;
}

static int add_target(struct dump *d, const Cr__Task *task, struct cr_err *err)
{
	if (cr_list_room(d->targets, d->n_targets, err) < 0)
		return -1;
	d->targets[d->n_targets++] = (struct target){
		.pid = (pid_t)task->pid,
		.eye = (pid_t)(task->dead_leader ? task->tids[0] : task->pid),
	};
	return 0;
}

/*
 * Not at once: the stages before could have more to say, and would wait for us.
 * An agent may come into the process and leave it while it is read; mm.c knows
 * its mapping.
 */
static int idle(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	struct dump *d = ctx;
	const struct target *t = &d->targets[d->next_target];

	/* Once, when there are no targets yet. */
	if (d->frozen && d->small && !d->n_targets) {
		d->small = false;
		mm_look_ahead(d, (pid_t)cr_stage_header(st)->root_pid);
		return 1;
	}
	if (d->next_target == d->n_targets)
		return 0;
	d->next_target++;
	if (mm_dump(d, t, err) < 0)
		return cr_err_wrap(err, "pid %d", (int)t->pid);
	return 1;
}

static int record(struct cr_stage *st, void *ctx, const struct cr_record *rec, const void *msg,
		  struct cr_err *err)
{
	const Cr__Task *task = msg;
	struct dump *d = ctx;

	(void)st;
	d->frozen = true;
	if (rec->kind != CR_KIND_TASK || task->state == CR__TASK_STATE__ZOMBIE || task->vm_same_as)
		return 0;
	if (task->dead_leader && !task->n_tids)
		return cr_err_set(err, CR_BAD_INPUT, "pid %u: no thread", task->pid);
	return add_target(ctx, task, err);
}

static int finish(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	int ret;

	do
		ret = idle(st, ctx, err);
	while (ret > 0);
	return ret < 0 || sysv_finish(ctx, err) < 0 ? -1 : pages_finish(ctx, err);
}

static void release(struct dump *d)
{
	pool_free(d->pool);
	if (d->ahead_of)
		cr_maps_free(&d->ahead);
	free(d->lister);
	loans_free(d->loans);
	files_free(d->files);
	huge_free(d->huge);
	free(d->targets);
}

int main(int argc, char **argv)
{
	static const uint16_t wants[] = { CR_KIND_TASK, 0 };
	static const struct cr_stage_ops ops = {
		.wants = wants,
		.start = start,
		.hold_ms = HOLD_MS,
		.record = record,
		.idle = idle,
		.finish = finish,
	};
	int ret;

	cr_opt_parse(&spec, argc, argv);
	ret = cr_stage_run(&ops, &dump);
	release(&dump);
	return ret;
}

/* SPDX-License-Identifier: MIT */
/*
 * cr-dump-fds: a stage of the pipeline that adds each frozen process's
 * working directory, descriptors and open files.
 */
#include <stdlib.h>
#include <string.h>

#include "aio.h"
#include "clean.h"
#include "dump.h"
#include "fault.h"
#include "files.h"
#include "flight.h"
#include "ghost.h"
#include "ghosts.h"
#include "holder.h"
#include "io_uring.h"
#include "kernel-peek.h"
#include "kernel-table.h"
#include "opt.h"
#include "scan.h"
#include "sem.h"

#define HOLD_MS 5000	/* the freeze waits for scan_prepare() that long */

static struct options opts = { .ghost_limit = CR_GHOST_LIMIT };

static const struct cr_opt options[] = {
	{ 'D', "images-dir", CR_OPT_STR, "DIR", "directory of the image, for deleted files",
	  &opts.dir },
	{ 0, "ghost-limit", CR_OPT_SIZE, "SIZE", "carry no deleted file with more data (1M)",
	  &opts.ghost_limit },
	{ 0, "link-remap", CR_OPT_BOOL, NULL, "make a link to a deleted file that has others",
	  &opts.link_remap },
	{ 0, "embed-files", CR_OPT_BOOL, NULL, "carry a copy of every open file", &opts.embed },
	{ 0, "file-locks", CR_OPT_BOOL, NULL, "dump file locks too", &opts.file_locks },
	{ 0, "orphan-pts-master", CR_OPT_BOOL, NULL,
	  "dump ptys whose master is outside, to get a new one", &opts.orphan_pts_master },
	{ 0, "inotify-events", CR_OPT_STR, "WHAT",
	  "with events that wait to be read: refuse (the default) or drop them",
	  &opts.inotify_events },
	{ 0, "external", CR_OPT_LIST, "KEY", "leave that outside: pipe:[N], file[MNT:INODE], ...",
	  &opts.external },
	{ 0, NULL, 0, NULL, NULL, NULL },
};

static const struct cr_opt_spec spec = {
	.name = "cr-dump-fds",
	.operands = "",
	.purpose = "Add the descriptors of frozen processes to the stream.",
	.opts = options,
};

/* Descriptions are only the frozen ones' as long as the freeze is there. */
static int start(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	struct dump *d = ctx;

	d->st = st;
	if (!cr_stage_session(st, err))
		return cr_err_wrap(err, "the stream comes from no freeze that lasts");
	scan_prepare(d, (pid_t)cr_stage_header(st)->root_pid);
	return 0;
}

static int note_shmem(struct dump *d, const Cr__Shmem *s, struct cr_err *err)
{
	const uint64_t key = dump_shmem_key(s->ino, s->huge_shift);

	if (s->sysv || map_get(&d->shmems, key))
		return 0;
	return map_put(&d->shmems, key, (void *)(uintptr_t)s->id, err);
}

static int note_ring(struct dump *d, const Cr__RingMapping *m, struct cr_err *err)
{
	return m->aio ? aio_dump(d, m, err) : uring_note_mapping(d, m, err);
}

static int dump_task(struct dump *d, const Cr__Task *task, struct cr_err *err)
{
	if (process_dump(d, task, err) < 0)
		return cr_err_wrap(err, "pid %u", task->pid);
	cr_fault("fds-process");
	return 0;
}

static int record(struct cr_stage *st, void *ctx, const struct cr_record *rec, const void *msg,
		  struct cr_err *err)
{
	(void)st;
	switch (rec->kind) {
	case CR_KIND_TASK:
		return dump_task(ctx, msg, err);
	case CR_KIND_SHMEM:
		return note_shmem(ctx, msg, err);
	case CR_KIND_RING_MAPPING:
		return note_ring(ctx, msg, err);
	case CR_KIND_GHOST:
		return ghosts_note(ctx, msg, err);
	default:
		return 0;
	}
}

static int finish(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	struct dump *d = ctx;

	for (unsigned int i = 0; i < d->n_procs; i++)
		if (fs_dump(d, d->procs[i], false, err) < 0)
			return cr_err_wrap(err, "pid %d", (int)d->procs[i]->pid);
	if (files_finish(d, err) < 0)
		return -1;
	cr_stage_count(st, "descriptors", d->n_descriptors);
	cr_stage_count(st, "files", d->n_all);
	return 0;
}

static void dump_free(struct dump *d)
{
	struct session *s, *next;

	for (s = d->sessions; s; s = next) {
		next = s->next;
		free(s);
	}
	for (unsigned int i = 0; i < d->n_procs; i++)
		process_free(d->procs[i]);
	free(d->procs);
	free(d->all);
	map_clear(&d->tids);
	map_clear(&d->shmems);
	ghosts_free(d);
	holders_free(d);
	sem_free(d);
	flights_free(d);
	cr_clean_fd(&d->dirfd);
	files_free(d->files);
	kernel_table_free(d->kernel);
	kernel_peek_free(d->peek);
}

int main(int argc, char **argv)
{
	static const uint16_t wants[] = { CR_KIND_TASK, CR_KIND_SHMEM, CR_KIND_GHOST,
					  CR_KIND_RING_MAPPING, 0 };
	static const struct cr_stage_ops ops = {
		.wants = wants,
		.start = start,
		.hold_ms = HOLD_MS,
		.record = record,
		.finish = finish,
	};
	struct dump d = { .opts = &opts, .dirfd = -1 };
	struct cr_err err;
	int ret;

	cr_opt_parse(&spec, argc, argv);
	if (opts.inotify_events && strcmp(opts.inotify_events, "drop") == 0)
		opts.drop_inotify_events = true;
	else if (opts.inotify_events && strcmp(opts.inotify_events, "refuse") != 0)
		cr_opt_usage("--inotify-events: '%s' is neither refuse nor drop",
			     opts.inotify_events);
	if (files_new(&d.files, &err) < 0)
		return cr_err_report(&err);
	ret = cr_stage_run(&ops, &d);
	dump_free(&d);
	return ret;
}

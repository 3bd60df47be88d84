/* SPDX-License-Identifier: MIT */
/*
 * cr-dump-fds: a stage of the pipeline that adds each frozen process's
 * working directory, descriptors and open files.
 */
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "fault.h"
#include "files.h"
#include "opt.h"

static struct {
	const char *dir;
} opts;

static const struct cr_opt options[] = {
	{ 'D', "images-dir", CR_OPT_STR, "DIR", "directory of the image, for deleted files",
	  &opts.dir },
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
	return 0;
}

static int record(struct cr_stage *st, void *ctx, const struct cr_record *rec, const void *msg,
		  struct cr_err *err)
{
	const Cr__Task *task = msg;

	(void)st;
	if (rec->kind != CR_KIND_TASK)
		return 0;
	if (process_dump(ctx, task, err) < 0)
		return cr_err_wrap(err, "pid %u", task->pid);
	cr_fault("fds-process");
	return 0;
}

static int finish(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	struct dump *d = ctx;

	if (files_finish(d, err) < 0)
		return -1;
	cr_stage_count(st, "descriptors", d->n_descriptors);
	cr_stage_count(st, "files", d->n_all);
	return 0;
}

static void dump_free(struct dump *d)
{
	for (unsigned int i = 0; i < d->n_procs; i++)
		process_free(d->by_files[i]);
	free(d->by_files);
	free(d->by_fs);
	free(d->all);
	map_clear(&d->tids);
	files_free(d->files);
}

int main(int argc, char **argv)
{
	static const struct cr_stage_ops ops = {
		.start = start,
		.record = record,
		.finish = finish,
	};
	struct dump d = { 0 };
	struct cr_err err;
	int ret;

	cr_opt_parse(&spec, argc, argv);
	if (files_new(&d.files, &err) < 0)
		return cr_err_report(&err);
	ret = cr_stage_run(&ops, &d);
	dump_free(&d);
	return ret;
}

/* SPDX-License-Identifier: MIT */
/*
 * cr-imgtool check: everything that can be known to be wrong with an image
 * without restoring it.  Two passes over the manifest: the first collects what
 * can be referred to, the second looks at everything.  In memory are one
 * record and the ids.
 */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>

#include "imgtool.h"
#include "msg.h"
#include "opt.h"
#include "schemas.h"

#define MAX_FAULTS 100

static const struct cr_opt options[] = {
	{ 0, NULL, 0, NULL, NULL, NULL },
};

const struct cr_opt_spec check_spec = {
	.name = "cr-imgtool check",
	.operands = "DIR|FILE",
	.purpose = "Verify every checksum, reference and size of an image.",
	.opts = options,
	.min_operands = 1,
	.max_operands = 1,
};

void fault(struct check *c, const char *fmt, ...)
{
	char what[300];
	va_list ap;

	if (++c->faults > MAX_FAULTS)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	cr_progress_wipe(&c->progress);
	if (c->rec)
		cr_msg("%s: record %llu (%s) at byte %llu: %s", c->src->path,
		       (unsigned long long)c->rec->index, c->rec->info->name,
		       (unsigned long long)c->rec->offset, what);
	else
		cr_msg("%s: %s", c->src->path, what);
}

static int first_pass(void *ctx, const struct cr_record *rec, const void *msg, struct cr_err *err)
{
	struct check *c = ctx;

	c->records++;
	return msg ? collect_record(c, rec, msg, err) : 0;
}

static int second_pass(void *ctx, const struct cr_record *rec, const void *msg, struct cr_err *err)
{
	struct check *c = ctx;

	if (!msg)
		return 0;
	c->rec = rec;
	check_shape(c, rec, msg);
	check_refs(c, rec, msg);
	return check_bulk(c, rec, msg, err);
}

static int run(struct check *c, struct cr_err *err)
{
	int ret;

	if (source_each(c->src, first_pass, c, err) < 0)
		return -1;
	check_ids(c);
	cr_progress_begin(&c->progress, "check", c->bulk_bytes);
	ret = source_each(c->src, second_pass, c, err);
	cr_progress_end(&c->progress);
	return ret;
}

static int report(const struct check *c)
{
	if (c->faults > MAX_FAULTS)
		cr_msg("%s: %llu more faults", c->src->path,
		       (unsigned long long)c->faults - MAX_FAULTS);
	if (c->faults)
		return CR_BAD_INPUT;
	printf("%s: good: %llu processes, %llu threads, %llu records, %llu bytes in bulk files\n",
	       c->src->path, (unsigned long long)c->ids[IDS_TASK].count,
	       (unsigned long long)c->ids[IDS_THREAD].count, (unsigned long long)c->records,
	       (unsigned long long)c->bytes);
	if (fflush(stdout) == 0)
		return 0;
	cr_msg("unable to write to stdout");
	return CR_SYSTEM;
}

int check_main(int argc, char **argv)
{
	int first = cr_opt_parse(&check_spec, argc, argv);
	struct check c = { 0 };
	struct source src;
	struct cr_err err;
	int ret;

	cr_prog = "cr-imgtool";
	if (source_open(argv[first], &src, &err) < 0)
		return cr_err_report(&err);
	c.src = &src;
	ret = run(&c, &err) < 0 ? cr_err_report(&err) : report(&c);
	for (int i = 0; i < N_IDS; i++)
		ids_clear(&c.ids[i]);
	cr_cover_clear(&c.cover);
	cr_image_files_clear(&c.pages);
	source_close(&src);
	return ret;
}

/* SPDX-License-Identifier: MIT */
/*
 * cr-imgtool commit: the last stage of a checkpoint.  The stream goes to a
 * temporary file; when all of it has come, nothing was refused, and all of the
 * image is durable, it becomes the manifest, and the freeze is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "image.h"
#include "imgtool.h"
#include "late.h"
#include "msg.h"
#include "opt.h"
#include "script.h"
#include "stage.h"
#include "stats.h"
#include "tree.h"

static struct {
	const char *dir;
	const char *stats;
	struct cr_opt_list scripts;
} opts;

static const struct cr_opt options[] = {
	{ 'D', "images-dir", CR_OPT_STR, "DIR", "the image directory", &opts.dir },
	{ 0, "action-script", CR_OPT_LIST, "CMD", "run CMD when the image is complete",
	  &opts.scripts },
	{ 0, "stats", CR_OPT_STR, "FILE", "write times and sizes to FILE as JSON", &opts.stats },
	{ 0, NULL, 0, NULL, NULL, NULL },
};

const struct cr_opt_spec commit_spec = {
	.name = "cr-imgtool commit",
	.operands = "",
	.purpose = "Complete the image in DIR from the stream on stdin, then end the freeze.",
	.opts = options,
};

struct commit {
	struct cr_image_manifest manifest;
	struct cr_image_files files;
	struct cr_writer *out;
	struct stats stats;
	unsigned int refusals;
};

/* The image has no session any more. */
static int on_start(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	struct commit *c = ctx;
	Cr__Header header = *cr_stage_header(st);

	header.session = (char *)"";
	header.warden_pid = 0;
	return cr_writer_put(c->out, CR_KIND_HEADER, &header, err);
}

static int note_bulk(struct commit *c, const struct cr_record *rec, const void *msg,
		     struct cr_err *err)
{
	const Cr__Pages *pages = msg;
	const char *name;
	uint64_t size;

	if (rec->kind == CR_KIND_PAGES)
		for (size_t i = 0; i < pages->n_extents; i++)
			c->stats.pages += pages->extents[i]->pages;
	if (!cr_image_bulk_of(rec->kind, msg, &name, &size))
		return 0;
	c->stats.bytes += size;
	return cr_image_files_add(&c->files, name, size, err);
}

static int on_record(struct cr_stage *st, void *ctx, const struct cr_record *rec, const void *msg,
		     struct cr_err *err)
{
	struct commit *c = ctx;

	(void)st;
	c->stats.records++;
	c->refusals += rec->kind == CR_KIND_REFUSAL;
	if (rec->kind == CR_KIND_END)
		return 0;
	if (rec->kind == CR_KIND_STATS && stats_add(&c->stats, msg, err) < 0)
		return -1;
	if (note_bulk(c, rec, msg, err) < 0)
		return -1;
	return c->refusals ? 0 : cr_writer_copy(c->out, rec, err);
}

static void revert(struct commit *c)
{
	struct cr_err second;

	if (cr_image_revert(&c->manifest, &second) < 0)
		cr_msg("%s", second.msg);
}

/* A commit that the freeze did not carry out is taken back. */
static int tell_freeze(struct commit *c, struct cr_session *session, struct cr_err *err)
{
	switch (cr_session_commit(session, err)) {
	case 0:
		cr_session_times(session, &c->stats.times);
		return 0;
	case 1:
		return cr_err_wrap(err, "the image is complete, but what became of the tree "
					"is not known");
	default:
		cr_err_wrap(err, "unable to end the freeze");
		revert(c);
		return -1;
	}
}

/* The image is complete.  A tree that is to end is frozen still, and goes on
 * unharmed when one of them fails. */
static int run_scripts(struct commit *c, pid_t root, struct cr_err *err)
{
	for (unsigned int i = 0; i < opts.scripts.count; i++)
		if (cr_script_run(opts.scripts.items[i], opts.dir, "post-dump", root, err) < 0) {
			revert(c);
			return -1;
		}
	return 0;
}

static int on_finish(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	struct commit *c = ctx;
	struct cr_session *session = NULL;
	uint64_t began = cr_now_ns();

	if (c->refusals)
		return cr_err_set(err, CR_REFUSED, "%u thing%s not supported: no image was made",
				  c->refusals, c->refusals == 1 ? " is" : "s are");
	if (cr_stage_header(st)->session[0]) {
		session = cr_stage_session(st, err);
		if (!session || late_put(session, c->out, err) < 0 ||
		    cr_session_release(session, err) < 0)
			return -1;
	}
	if (cr_writer_end(c->out, err) < 0 || cr_image_commit(&c->manifest, &c->files, err) < 0)
		return -1;
	if (run_scripts(c, (pid_t)cr_stage_header(st)->root_pid, err) < 0)
		return -1;
	c->stats.commit_us = (cr_now_ns() - began) / 1000;
	return session ? tell_freeze(c, session, err) : 0;
}

static int open_stats(int *fd, struct cr_err *err)
{
	if (!opts.stats)
		return 0;
	*fd = open(opts.stats, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (*fd < 0)
		return cr_err_sys(err, "unable to open %s", opts.stats);
	return 0;
}

static int write_stats(struct commit *c, int fd, struct cr_err *err)
{
	if (fd < 0)
		return 0;
	if (ftruncate(fd, 0) < 0 && errno != EINVAL)	/* a pipe has no length */
		return cr_err_sys(err, "unable to write %s", opts.stats);
	return stats_write(&c->stats, fd, err);
}

static int run(struct commit *c, int dirfd)
{
	static const uint16_t wants[] = { CR_KIND_PAGES, CR_KIND_PAGES_FILE, CR_KIND_GHOST,
					  CR_KIND_STATS, 0 };
	static const struct cr_stage_ops ops = {
		.start = on_start,
		.record = on_record,
		.finish = on_finish,
		.wants = wants,
		.tail = true,
	};
	cr_auto_fd int stats = -1;
	struct cr_err err;
	int ret;

	if (open_stats(&stats, &err) < 0 ||
	    cr_image_manifest_begin(dirfd, &c->manifest, &err) < 0 ||
	    cr_writer_open(c->manifest.fd, "the manifest", &c->out, &err) < 0)
		return cr_err_report(&err);
	ret = cr_stage_run(&ops, c);
	/* What is done cannot be undone for the sake of numbers. */
	if (ret == 0 && write_stats(c, stats, &err) < 0)
		cr_msg("the image is complete, but: %s", err.msg);
	return ret;
}

int commit_main(int argc, char **argv)
{
	struct commit c = { .manifest.fd = -1 };
	cr_auto_fd int dirfd = -1;
	struct cr_err err;
	int ret;

	cr_opt_parse(&commit_spec, argc, argv);
	if (!opts.dir)
		cr_opt_usage("-D DIR is missing (see -h)");
	cr_prog = "cr-imgtool";
	dirfd = cr_image_dir(opts.dir, true, &err);
	if (dirfd < 0)
		return cr_err_report(&err);
	ret = run(&c, dirfd);
	cr_image_finish(&c.manifest, &c.files);
	if (c.manifest.fd >= 0)
		close(c.manifest.fd);
	cr_writer_free(c.out);
	cr_image_files_clear(&c.files);
	stats_clear(&c.stats);
	return ret;
}

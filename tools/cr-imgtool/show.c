/* SPDX-License-Identifier: MIT */
/*
 * cr-imgtool show: one JSON document, an array of records, or text.  Records
 * are written as they come, one at a time is in memory.  Of a pipe it is the
 * last stage: it commits nothing, so what was frozen goes on.
 */
#include "show.h"	/* of libcommon */

#include <stdio.h>
#include <string.h>

#include "imgtool.h"
#include "msg.h"
#include "opt.h"
#include "source.h"
#include "stage.h"

static struct {
	bool json;
	bool text;
	pid_t pid;
	struct cr_opt_list kinds;
} opts;

static const struct cr_opt options[] = {
	{ 0, "json", CR_OPT_BOOL, NULL, "print a JSON array of the records (the default)",
	  &opts.json },
	{ 0, "text", CR_OPT_BOOL, NULL, "print lines for people", &opts.text },
	{ 'p', "pid", CR_OPT_PID, "PID", "only records of this process", &opts.pid },
	{ 'k', "kind", CR_OPT_LIST, "KIND", "only records of this kind; may be repeated",
	  &opts.kinds },
	{ 0, NULL, 0, NULL, NULL, NULL },
};

const struct cr_opt_spec show_spec = {
	.name = "cr-imgtool show",
	.operands = "DIR|FILE|-",
	.purpose = "Print the records of an image, or of a stream on stdin.",
	.opts = options,
	.min_operands = 1,
	.max_operands = 1,
};

struct show {
	bool opened;	/* the array has its bracket */
	bool any;
};

/* Does the message have a field "pid" with another value than -p? */
static bool is_other_pid(const ProtobufCMessage *msg)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, "pid");

	if (!f || f->type != PROTOBUF_C_TYPE_UINT32 || f->label == PROTOBUF_C_LABEL_REPEATED)
		return true;
	return *(const uint32_t *)((const char *)msg + f->offset) != (uint32_t)opts.pid;
}

static bool is_wanted(const struct cr_record *rec, const void *msg)
{
	bool kind = opts.kinds.count == 0;

	for (unsigned int i = 0; i < opts.kinds.count && !kind; i++)
		kind = rec->info && strcmp(rec->info->name, opts.kinds.items[i]) == 0;
	return kind && (!opts.pid || (msg && !is_other_pid(msg)));
}

static int show_record(struct show *s, const struct cr_record *rec, const void *msg,
		       struct cr_err *err)
{
	if (!is_wanted(rec, msg))
		return 0;
	if (!opts.text)
		fputs(s->any ? ",\n" : "\n", stdout);
	s->any = true;
	if (msg)
		return cr_show(stdout, opts.text ? CR_SHOW_TEXT : CR_SHOW_JSON, rec->info, msg,
			       err);
	printf(opts.text ? "unknown number=%u length=%u\n" :
			   "{\"kind\":\"unknown\",\"number\":%u,\"length\":%u}",
	       rec->kind, rec->length);
	return 0;
}

static void open_array(struct show *s)
{
	if (!opts.text && !s->opened)
		putchar('[');
	s->opened = true;
}

/* Also after an error: what was printed is then still one document. */
static int close_array(struct show *s, struct cr_err *err)
{
	if (s->opened && !opts.text)
		fputs("\n]\n", stdout);
	s->opened = false;
	return fflush(stdout) || ferror(stdout) ? cr_err_sys(err, "unable to write to stdout") : 0;
}

static int file_record(void *ctx, const struct cr_record *rec, const void *msg, struct cr_err *err)
{
	open_array(ctx);
	return show_record(ctx, rec, msg, err);
}

static int show_file(struct show *s, const char *path)
{
	struct cr_err err, second;
	struct source src;
	int ret;

	if (source_open(path, &src, &err) < 0)
		return cr_err_report(&err);
	ret = source_each(&src, file_record, s, &err);
	source_close(&src);
	if (close_array(s, ret < 0 ? &second : &err) < 0 && ret == 0)
		ret = -1;
	return ret < 0 ? cr_err_report(&err) : 0;
}

static int pipe_start(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	const struct cr_record rec = { .kind = CR_KIND_HEADER,
				       .info = cr_kind_by_number(CR_KIND_HEADER) };

	open_array(ctx);
	return show_record(ctx, &rec, cr_stage_header(st), err);
}

static int pipe_record(struct cr_stage *st, void *ctx, const struct cr_record *rec, const void *msg,
		       struct cr_err *err)
{
	(void)st;
	return show_record(ctx, rec, msg, err);
}

static int show_pipe(struct show *s)
{
	const struct cr_stage_ops ops = { .start = pipe_start,
					  .record = pipe_record,
					  .tail = true };
	struct cr_err err;
	int ret = cr_stage_run(&ops, s);

	if (close_array(s, &err) < 0 && ret == 0)
		ret = cr_err_report(&err);
	return ret;
}

int show_main(int argc, char **argv)
{
	int first = cr_opt_parse(&show_spec, argc, argv);
	struct show s = { 0 };

	if (opts.json && opts.text)
		cr_opt_usage("--json and --text exclude each other");
	for (unsigned int i = 0; i < opts.kinds.count; i++)
		if (!cr_kind_by_name(opts.kinds.items[i]))
			cr_opt_usage("--kind: '%s' is no kind of record", opts.kinds.items[i]);
	cr_prog = "cr-imgtool";
	return strcmp(argv[first], "-") == 0 ? show_pipe(&s) : show_file(&s, argv[first]);
}

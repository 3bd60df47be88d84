/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "msg.h"
#include "schemas.h"
#include "show.h"
#include "stream.h"

#define HEAD sizeof(struct cr_record_head)
#define BUF_START (64u << 10)

struct cr_writer {
	int fd;
	FILE *text;	/* instead of fd */
	const char *name;
	uint8_t *buf;
	size_t size;
	size_t fill;
	uint64_t count;
	uint32_t checksum;
	bool broken;	/* a write has failed, perhaps inside of a record */
};

static int writer_new(struct cr_writer **out, struct cr_err *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return cr_err_sys(err, "out of memory");
	(*out)->fd = -1;
	return 0;
}

int cr_writer_open_text(FILE *file, struct cr_writer **out, struct cr_err *err)
{
	if (writer_new(out, err) < 0)
		return -1;
	(*out)->text = file;
	return 0;
}

/* Room for @len more bytes at the end of the buffer. */
static int reserve(struct cr_writer *w, size_t len, struct cr_err *err)
{
	size_t size = w->size;
	uint8_t *grown;

	if (w->fill + len > BUF_START * 4 && w->fill > 0 && cr_writer_flush(w, err) < 0)
		return -1;
	while (size < w->fill + len)
		size = size ? size * 2 : BUF_START;
	if (size == w->size)
		return 0;
	grown = realloc(w->buf, size);
	if (!grown)
		return cr_err_sys(err, "out of memory");
	w->buf = grown;
	w->size = size;
	return 0;
}

int cr_writer_open(int fd, const char *name, struct cr_writer **out, struct cr_err *err)
{
	struct cr_writer *w;

	if (writer_new(&w, err) < 0)
		return -1;
	w->fd = fd;
	w->name = name;
	*out = w;
	if (reserve(w, BUF_START, err) < 0) {
		free(w);
		*out = NULL;
		return -1;
	}
	w->fill = sizeof(CR_STREAM_MAGIC) - 1;
	memcpy(w->buf, CR_STREAM_MAGIC, w->fill);
	return 0;
}

static void seal(struct cr_writer *w, uint8_t *at, struct cr_record_head head)
{
	head.crc = cr_crc32c(cr_crc32c(0, &head, 8), at + HEAD, head.length);
	memcpy(at, &head, HEAD);
	w->checksum = cr_crc32c(w->checksum, &head.crc, 4);
	w->fill += HEAD + head.length;
	w->count++;
}

int cr_writer_put(struct cr_writer *w, enum cr_kind kind, const void *msg, struct cr_err *err)
{
	const struct cr_kind_info *info = cr_kind_by_number(kind);
	size_t len;

	if (w->text)
		return cr_show(w->text, CR_SHOW_TEXT, info, msg, err);
	len = protobuf_c_message_get_packed_size(msg);
	if (len > CR_RECORD_MAX)
		return cr_err_set(err, CR_REFUSED, "a %s record would be longer than %u bytes",
				  info->name, CR_RECORD_MAX);
	if (reserve(w, HEAD + len, err) < 0)
		return -1;
	protobuf_c_message_pack(msg, w->buf + w->fill + HEAD);
	seal(w, w->buf + w->fill,
	     (struct cr_record_head){ .length = (uint32_t)len,
				      .kind = (uint16_t)kind,
				      .flags = info->optional ? CR_RECORD_OPTIONAL : 0 });
	return 0;
}

int cr_writer_copy(struct cr_writer *w, const struct cr_record *rec, struct cr_err *err)
{
	if (w->text)
		return 0;
	if (reserve(w, HEAD + rec->length, err) < 0)
		return -1;
	memcpy(w->buf + w->fill + HEAD, rec->data, rec->length);
	seal(w, w->buf + w->fill,
	     (struct cr_record_head){
		     .length = rec->length, .kind = rec->kind, .flags = rec->flags });
	return 0;
}

int cr_writer_end(struct cr_writer *w, struct cr_err *err)
{
	Cr__End end = CR__END__INIT;

	if (!w->text) {
		end.count = w->count;
		end.checksum = w->checksum;
		if (cr_writer_put(w, CR_KIND_END, &end, err) < 0)
			return -1;
	}
	return cr_writer_flush(w, err);
}

void cr_writer_fail(struct cr_writer *w, const struct cr_err *why)
{
	Cr__Failure f = CR__FAILURE__INIT;
	struct cr_err ignored;

	if (w->text || w->broken)
		return;
	f.tool = (char *)cr_prog;
	f.status = why->class;
	f.message = (char *)why->msg;
	if (cr_writer_put(w, CR_KIND_FAILURE, &f, &ignored) == 0)
		(void)!cr_writer_flush(w, &ignored);
}

int cr_writer_flush(struct cr_writer *w, struct cr_err *err)
{
	size_t done = 0;

	if (w->text)
		return fflush(w->text) ? cr_err_sys(err, "unable to write to stdout") : 0;
	while (done < w->fill) {
		ssize_t n = write(w->fd, w->buf + done, w->fill - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			w->broken = true;
			cr_err_sys(err, "unable to write %s", w->name);
			/* The stage that has gone says itself what is wrong. */
			err->told = err->errnum == EPIPE;
			return -1;
		}
		done += (size_t)n;
	}
	w->fill = 0;
	return 0;
}

void cr_writer_free(struct cr_writer *w)
{
	if (!w)
		return;
	free(w->buf);
	free(w);
}

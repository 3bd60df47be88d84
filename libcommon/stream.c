/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "crc32c.h"
#include "schemas.h"
#include "show.h"

#define HEAD sizeof(struct cr_record_head)
#define BUF_START (64u << 10)

_Static_assert(HEAD == 12, "the record header is part of the format");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian");

struct cr_reader {
	int fd;
	const char *name;
	uint8_t *buf;
	size_t size;	/* allocated */
	size_t pos;	/* first byte not yet handed out */
	size_t fill;	/* bytes in buf */
	uint64_t index;
	uint64_t offset;	/* in the stream, of buf[pos] */
	uint32_t checksum;
	bool ended;
};

int cr_reader_open(int fd, const char *name, struct cr_reader **out, struct cr_err *err)
{
	struct cr_reader *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (!r)
		return cr_err_sys(err, "out of memory");
	r->fd = fd;
	r->name = name;
	r->size = BUF_START;
	r->buf = malloc(r->size);
	if (!r->buf) {
		free(r);
		return cr_err_sys(err, "out of memory");
	}
	*out = r;
	return 0;
}

void cr_reader_free(struct cr_reader *r)
{
	if (!r)
		return;
	free(r->buf);
	free(r);
}

/*
 * Have at least @need bytes at buf[pos].  The buffer grows as bytes arrive,
 * at most to twice what is there, so a lying length costs no memory.
 * Returns 1, 0 at end of file, or -1.
 */
static int fill(struct cr_reader *r, size_t need, struct cr_err *err)
{
	if (r->pos + need > r->size && r->pos > 0) {
		memmove(r->buf, r->buf + r->pos, r->fill - r->pos);
		r->fill -= r->pos;
		r->pos = 0;
	}
	while (r->fill - r->pos < need) {
		ssize_t n;

		if (r->fill == r->size) {
			uint8_t *grown = realloc(r->buf, r->size * 2);

			if (!grown)
				return cr_err_sys(err, "out of memory");
			r->buf = grown;
			r->size *= 2;
		}
		n = read(r->fd, r->buf + r->fill, r->size - r->fill);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cr_err_sys(err, "unable to read %s", r->name);
		if (n == 0)
			return 0;
		r->fill += (size_t)n;
	}
	return 1;
}

bool cr_reader_would_block(const struct cr_reader *r)
{
	struct cr_record_head head;
	struct pollfd pfd = { .fd = r->fd, .events = POLLIN };

	if (r->fill - r->pos >= HEAD) {
		memcpy(&head, r->buf + r->pos, HEAD);
		if (r->fill - r->pos - HEAD >= head.length)
			return false;
	}
	return poll(&pfd, 1, 0) == 0;
}

static int bad(const struct cr_reader *r, struct cr_err *err, const char *what)
{
	return cr_err_set(err, CR_BAD_INPUT, "%s: record %llu at byte %llu: %s", r->name,
			  (unsigned long long)r->index, (unsigned long long)r->offset, what);
}

static int read_magic(struct cr_reader *r, struct cr_err *err)
{
	const size_t len = sizeof(CR_STREAM_MAGIC) - 1;
	int got = fill(r, len, err);

	if (got < 0)
		return -1;
	if (got == 0)
		return cr_err_set(err, CR_BAD_INPUT, "%s: %s", r->name,
				  r->fill == 0 ? "empty, a stream of records was expected" :
						 "truncated before the first record");
	if (memcmp(r->buf + r->pos, CR_STREAM_MAGIC, len) != 0)
		return cr_err_set(err, CR_BAD_INPUT, "%s: not a stream of records", r->name);
	r->pos += len;
	r->offset += len;
	return 0;
}

static int check_end(struct cr_reader *r, const struct cr_record *rec, struct cr_err *err)
{
	Cr__End *end = cr_record_unpack(rec, err);
	bool good;

	if (!end)
		return -1;
	good = end->count == r->index && end->checksum == r->checksum;
	cr_record_free_msg(end);
	if (!good)
		return bad(r, err, "End does not match the records before it");
	r->ended = true;
	return 0;
}

static int check_record(struct cr_reader *r, struct cr_record *rec, struct cr_err *err)
{
	char what[96];

	if (r->index == 0 && rec->kind != CR_KIND_HEADER)
		return bad(r, err, "the first record is not a Header");
	if (r->index > 0 && rec->kind == CR_KIND_HEADER)
		return bad(r, err, "a second Header");
	rec->info = cr_kind_by_number(rec->kind);
	if (!rec->info && !(rec->flags & CR_RECORD_OPTIONAL)) {
		snprintf(what, sizeof(what), "kind %u is not known to this version", rec->kind);
		return bad(r, err, what);
	}
	return rec->kind == CR_KIND_END ? check_end(r, rec, err) : 0;
}

static int at_end(struct cr_reader *r, struct cr_err *err)
{
	int got = fill(r, 1, err);

	if (got > 0)
		return bad(r, err, "bytes after End");
	return got;
}

int cr_reader_next(struct cr_reader *r, struct cr_record *rec, struct cr_err *err)
{
	struct cr_record_head head;
	int got;

	memset(rec, 0, sizeof(*rec));
	if (r->ended)
		return at_end(r, err);
	if (r->offset == 0 && read_magic(r, err) < 0)
		return -1;
	got = fill(r, HEAD, err);
	if (got > 0) {
		memcpy(&head, r->buf + r->pos, HEAD);
		if (head.length > CR_RECORD_MAX)
			return bad(r, err, "longer than a record may be");
		got = fill(r, HEAD + head.length, err);
	}
	if (got < 0)
		return -1;
	if (got == 0)
		return bad(r, err, "the stream ends here, before its End record");

	rec->kind = head.kind;
	rec->flags = head.flags;
	rec->length = head.length;
	rec->crc = head.crc;
	rec->data = r->buf + r->pos + HEAD;
	rec->index = r->index;
	rec->offset = r->offset;
	if (cr_crc32c(cr_crc32c(0, &head, 8), rec->data, rec->length) != head.crc)
		return bad(r, err, "wrong checksum");
	if (check_record(r, rec, err) < 0)
		return -1;
	r->checksum = cr_crc32c(r->checksum, &head.crc, 4);
	r->pos += HEAD + head.length;
	r->offset += HEAD + head.length;
	r->index++;
	return 1;
}

void *cr_record_unpack(const struct cr_record *rec, struct cr_err *err)
{
	void *msg = NULL;

	if (rec->info)
		msg = protobuf_c_message_unpack(rec->info->desc, NULL, rec->length, rec->data);
	if (!msg)
		cr_err_set(err, CR_BAD_INPUT, "record %llu at byte %llu: %s does not decode",
			   (unsigned long long)rec->index, (unsigned long long)rec->offset,
			   rec->info ? rec->info->name : "unknown kind");
	return msg;
}

void cr_record_free_msg(void *msg)
{
	if (msg)
		protobuf_c_message_free_unpacked(msg, NULL);
}

struct cr_writer {
	int fd;
	FILE *text;	/* instead of fd */
	const char *name;
	uint8_t *buf;
	size_t size;
	size_t fill;
	uint64_t count;
	uint32_t checksum;
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

int cr_writer_flush(struct cr_writer *w, struct cr_err *err)
{
	size_t done = 0;

	if (w->text)
		return fflush(w->text) ? cr_err_sys(err, "unable to write to stdout") : 0;
	while (done < w->fill) {
		ssize_t n = write(w->fd, w->buf + done, w->fill - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cr_err_sys(err, "unable to write %s", w->name);
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

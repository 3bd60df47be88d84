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
	bool failed;	/* a Failure was read */
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

bool cr_reader_met_failure(const struct cr_reader *r)
{
	return r->failed;
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

/* What a stage before us could not do is what we report and exit with. */
static int take_failure(struct cr_reader *r, const struct cr_record *rec, struct cr_err *err)
{
	Cr__Failure *f = cr_record_unpack(rec, err);

	if (!f)
		return -1;
	cr_err_set(err, CR_BAD_INPUT, "%s: %s", f->tool, f->message);
	for (char *p = err->msg; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (f->status == CR_REFUSED || f->status == CR_SYSTEM)
		err->class = f->status;
	cr_record_free_msg(f);
	r->failed = true;
	return -1;
}

static int check_record(struct cr_reader *r, struct cr_record *rec, struct cr_err *err)
{
	char what[96];

	if (rec->kind == CR_KIND_FAILURE) {
		rec->info = cr_kind_by_number(rec->kind);
		return take_failure(r, rec, err);
	}
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

/*
 * Two bytes can stand for a message of a hundred, so a record says nothing
 * about the memory that it needs: no more than DECODED_MAX times its length.
 */
#define DECODED_MAX 16
#define DECODED_MIN (1u << 20)

struct decoding {
	size_t left;
	struct cr_bump *bump;	/* NULL: malloc(3) */
};

static void *take(void *ctx, size_t size)
{
	struct decoding *d = ctx;
	size_t cost = size + 16;	/* malloc's own, about */

	if (cost > d->left)
		return NULL;
	d->left -= cost;
	return d->bump ? cr_bump_alloc(d->bump, size) : malloc(size);
}

static void give_back(void *ctx, void *p)
{
	const struct decoding *d = ctx;

	if (!d->bump)
		free(p);
}

void *cr_record_unpack_in(const struct cr_record *rec, struct cr_bump *bump, struct cr_err *err)
{
	struct decoding d = { DECODED_MIN + (size_t)rec->length * DECODED_MAX, bump };
	ProtobufCAllocator allocator = { take, give_back, &d };
	void *msg = NULL;

	if (rec->info)
		msg = protobuf_c_message_unpack(rec->info->desc, &allocator, rec->length,
						rec->data);
	if (!msg)
		cr_err_set(err, CR_BAD_INPUT, "record %llu at byte %llu: %s does not decode",
			   (unsigned long long)rec->index, (unsigned long long)rec->offset,
			   rec->info ? rec->info->name : "unknown kind");
	return msg;
}

void *cr_record_unpack(const struct cr_record *rec, struct cr_err *err)
{
	return cr_record_unpack_in(rec, NULL, err);
}

void cr_record_free_msg(void *msg)
{
	if (msg)
		protobuf_c_message_free_unpacked(msg, NULL);
}

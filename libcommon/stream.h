/* SPDX-License-Identifier: MIT */
/*
 * Streams of records, the common language of the tools.
 *
 * A stream is the 8-byte magic CR_STREAM_MAGIC and then records: a fixed
 * little-endian header (struct cr_record_head) and a protobuf payload of the
 * message that the kind names (kinds.inc, made from schemas/).  The first is
 * a Header, the last an End with the count of the records before it and the
 * CRC-32C over their header CRCs.  End of file before End is an error, and so
 * is a kind that the reader does not know, unless CR_RECORD_OPTIONAL is set.  A
 * stage that fails ends its stream with a Failure instead, also in place of the
 * Header: reading it is an error of the class that it names.
 *
 * Reading: cr_reader_open(), cr_reader_next() until it returns 0,
 * cr_reader_free().  A record's payload belongs to the reader and is valid
 * until the next call.  cr_record_unpack() decodes; free the message with
 * cr_record_free_msg().
 *
 * Writing: cr_writer_open(), cr_writer_put() or _copy(), cr_writer_end().
 * Output is buffered: cr_writer_flush() before anything that blocks.
 *
 * Errors: CR_BAD_INPUT for whatever is wrong with the bytes, CR_SYSTEM for
 * failed calls.
 */
#ifndef CR_STREAM_H
#define CR_STREAM_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bump.h"
#include "err.h"

#define CR_STREAM_MAGIC "CRSTRM1\n"
#define CR_STREAM_VERSION 1
#define CR_RECORD_MAX (64u << 20)	/* bytes of payload */
#define CR_RECORD_OPTIONAL 1u

struct cr_record_head {
	uint32_t length;	/* of the payload, in bytes */
	uint16_t kind;
	uint16_t flags;
	uint32_t crc;		/* CRC-32C of the 8 bytes above and the payload */
};

enum cr_kind {
#define CR_KIND(number, upper, lower, optional) CR_KIND_##upper = number,
#include "kinds.inc"
#undef CR_KIND
};

/* What is known about a kind; NULL when it is unknown. */
struct cr_kind_info {
	uint16_t kind;
	const char *name;	/* "fd_table" */
	bool optional;
	const ProtobufCMessageDescriptor *desc;
};
const struct cr_kind_info *cr_kind_by_number(unsigned int kind);
const struct cr_kind_info *cr_kind_by_name(const char *name);

struct cr_record {
	uint16_t kind;
	uint16_t flags;
	uint32_t crc;
	uint32_t length;
	const uint8_t *data;
	uint64_t index;		/* position in the stream, from 0 */
	uint64_t offset;	/* of the record's header in the stream, in bytes */
	const struct cr_kind_info *info;	/* NULL: unknown and optional */
};

struct cr_reader;
struct cr_writer;

/* @fd stays the caller's; @name is for messages ("stdin"). */
int cr_reader_open(int fd, const char *name, struct cr_reader **out, struct cr_err *err) CR_MUST;
/* 1: *rec is filled, End too; 0: nothing after End; -1: error. */
int cr_reader_next(struct cr_reader *r, struct cr_record *rec, struct cr_err *err) CR_MUST;
/* Was the error a Failure record in the stream? */
bool cr_reader_met_failure(const struct cr_reader *r);
/* Would cr_reader_next() have to wait for input? */
bool cr_reader_would_block(const struct cr_reader *r);
void cr_reader_free(struct cr_reader *r);

/* NULL with *err filled when the payload does not decode. */
void *cr_record_unpack(const struct cr_record *rec, struct cr_err *err) CR_MUST;
/* The same in memory of the caller's, which is not to be freed piece by piece. */
void *cr_record_unpack_in(const struct cr_record *rec, struct cr_bump *bump,
			  struct cr_err *err) CR_MUST;
void cr_record_free_msg(void *msg);

int cr_writer_open(int fd, const char *name, struct cr_writer **out, struct cr_err *err) CR_MUST;
/* A writer that shows the records it puts as text, and drops copies and End. */
int cr_writer_open_text(FILE *out_file, struct cr_writer **out, struct cr_err *err) CR_MUST;
int cr_writer_put(struct cr_writer *w, enum cr_kind kind, const void *msg,
		  struct cr_err *err) CR_MUST;
int cr_writer_copy(struct cr_writer *w, const struct cr_record *rec, struct cr_err *err) CR_MUST;
int cr_writer_end(struct cr_writer *w, struct cr_err *err) CR_MUST;
/* Say with a Failure record, if that is still possible, why nothing follows. */
void cr_writer_fail(struct cr_writer *w, const struct cr_err *why);
int cr_writer_flush(struct cr_writer *w, struct cr_err *err) CR_MUST;
void cr_writer_free(struct cr_writer *w);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * mkstream [-n] <TEXT >STREAM
 *
 * A stream of records from lines of text, for the tests:
 *
 *   task pid=10 tids=10 tids=11 comm=\xff state=ZOMBIE rlimits={ soft=1 hard=2 }
 *   pages pid=10 extents={ address=0x1000 pages=1 crc=@FILE:0:4096 }
 *   thread pid=10 tid=10 regs=#216 signals=hex:0a00
 *   raw 99 optional 010203
 *
 * Words are separated by blanks; a text may have \xNN in it; #N is N zero
 * bytes; @FILE:OFFSET:LENGTH is the CRC-32C of these bytes.  End is added, but
 * for -n.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "parse.h"
#include "show-walk.h"
#include "stream.h"

static struct cr_err err;
static char *words[100000];
static size_t n_words, at;

static void fatal(const char *what, const char *word)
{
	fprintf(stderr, "mkstream: %s: %s\n", what, word);
	exit(111);
}

static uint64_t number(const char *text)
{
	uint64_t u;
	int64_t i;

	if (cr_parse_i64(text, 0, INT64_MIN, INT64_MAX, &i) == 0)
		return (uint64_t)i;
	if (cr_parse_u64(text, 0, 0, UINT64_MAX, &u) < 0)
		fatal("no number", text);
	return u;
}

/* @FILE:OFFSET:LENGTH */
static uint32_t crc_of(char *text)
{
	char *save = NULL, *path = strtok_r(text, ":", &save);
	char *offset = strtok_r(NULL, ":", &save), *length = strtok_r(NULL, ":", &save);
	uint64_t len = length ? number(length) : 0;
	uint8_t *buf = malloc(len + 1);
	int fd = open(path, O_RDONLY);
	uint32_t crc;

	if (!length || !buf || fd < 0 || pread(fd, buf, len, (off_t)number(offset)) != (ssize_t)len)
		fatal("cannot read", path);
	close(fd);
	crc = cr_crc32c(0, buf, len);
	free(buf);
	return crc;
}

static int nibble(char c)
{
	const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

static size_t unhex(const char *text, uint8_t *out)
{
	size_t n = 0;

	for (; text[0] && text[1]; text += 2) {
		if (nibble(text[0]) < 0 || nibble(text[1]) < 0)
			fatal("no hex digits", text);
		out[n++] = (uint8_t)(nibble(text[0]) << 4 | nibble(text[1]));
	}
	return n;
}

static char *unescape(const char *text)
{
	char *out = malloc(strlen(text) + 1), *p = out;

	while (*text) {
		if (text[0] == '\\' && text[1] == 'x' && nibble(text[2]) >= 0 &&
		    nibble(text[3]) >= 0) {
			*p++ = (char)(nibble(text[2]) << 4 | nibble(text[3]));
			text += 4;
		} else {
			*p++ = *text++;
		}
	}
	*p = 0;
	return out;
}

static void set_bytes(ProtobufCBinaryData *b, const char *text)
{
	if (text[0] == '#') {
		b->len = number(text + 1);
		b->data = calloc(1, b->len + 1);
	} else if (strncmp(text, "hex:", 4) == 0) {
		b->data = malloc(strlen(text) + 1);
		b->len = unhex(text + 4, b->data);
	} else {
		b->data = (uint8_t *)unescape(text);
		b->len = strlen((char *)b->data);
	}
}

static ProtobufCMessage *message(const ProtobufCMessageDescriptor *desc, bool inner);

static void set_number(const ProtobufCFieldDescriptor *f, void *to, char *text)
{
	const ProtobufCEnumValue *e = NULL;
	uint64_t v;

	if (f->type == PROTOBUF_C_TYPE_ENUM)
		e = protobuf_c_enum_descriptor_get_value_by_name(f->descriptor, text);
	v = e ? (uint64_t)e->value : text[0] == '@' ? crc_of(text + 1) : number(text);
	memcpy(to, &v, cr_show_element_size(f));
}

static void set_field(const ProtobufCFieldDescriptor *f, ProtobufCMessage *msg, char *text)
{
	size_t size = cr_show_element_size(f), *count;
	uint8_t *to = (uint8_t *)msg + f->offset;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		count = (size_t *)((uint8_t *)msg + f->quantifier_offset);
		*(void **)to = realloc(*(void **)to, (*count + 1) * size);
		to = *(uint8_t **)to + *count * size;
		++*count;
	}
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)to = unescape(text);
		return;
	case PROTOBUF_C_TYPE_BYTES:
		set_bytes((ProtobufCBinaryData *)to, text);
		return;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)to = message(f->descriptor, true);
		return;
	default:
		set_number(f, to, text);
	}
}

static ProtobufCMessage *message(const ProtobufCMessageDescriptor *desc, bool inner)
{
	ProtobufCMessage *msg = calloc(1, desc->sizeof_message);
	const ProtobufCFieldDescriptor *f;
	char *word, *value;

	protobuf_c_message_init(desc, msg);
	while (at < n_words) {
		word = words[at++];
		if (inner && strcmp(word, "}") == 0)
			return msg;
		value = strchr(word, '=');
		if (!value)
			fatal("no field=value", word);
		*value++ = 0;
		f = protobuf_c_message_descriptor_get_field_by_name(desc, word);
		if (!f)
			fatal("no such field", word);
		set_field(f, msg, value);
	}
	return msg;
}

static void put_raw(struct cr_writer *w)
{
	static uint8_t bytes[65536];
	struct cr_record rec = { .data = bytes };

	rec.kind = (uint16_t)number(words[1]);
	rec.flags = strcmp(words[2], "optional") == 0 ? CR_RECORD_OPTIONAL : 0;
	rec.length = n_words > 3 ? (uint32_t)unhex(words[3], bytes) : 0;
	if (cr_writer_copy(w, &rec, &err) < 0)
		fatal("raw", err.msg);
}

static void put_line(struct cr_writer *w, char *line)
{
	const struct cr_kind_info *info;
	ProtobufCMessage *msg;
	char *save = NULL;

	n_words = 0;
	for (char *p = strtok_r(line, " \t\n", &save); p; p = strtok_r(NULL, " \t\n", &save))
		words[n_words++] = p;
	if (!n_words || words[0][0] == '#')
		return;
	if (strcmp(words[0], "raw") == 0) {
		put_raw(w);
		return;
	}
	info = cr_kind_by_name(words[0]);
	if (!info)
		fatal("no such kind", words[0]);
	at = 1;
	msg = message(info->desc, false);
	if (cr_writer_put(w, info->kind, msg, &err) < 0)
		fatal(words[0], err.msg);
	cr_record_free_msg(msg);
}

int main(int argc, char **argv)
{
	bool no_end = argc > 1 && strcmp(argv[1], "-n") == 0;
	struct cr_writer *w;
	char *line = NULL;
	size_t room = 0;

	if (cr_writer_open(STDOUT_FILENO, "stdout", &w, &err) < 0)
		return cr_err_report(&err);
	while (getline(&line, &room, stdin) > 0)
		put_line(w, line);
	if ((no_end ? cr_writer_flush(w, &err) : cr_writer_end(w, &err)) < 0)
		return cr_err_report(&err);
	cr_writer_free(w);
	free(line);
	return 0;
}

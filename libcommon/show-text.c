/* SPDX-License-Identifier: MIT */
/*
 * Text for people: the kind and its numbers and texts on one line, then a line
 * for each message inside, indented.  What is empty or zero is left out, but
 * for the first field of a message, which says which one it is.  Nothing of a
 * target's can reach the terminal as a control character.
 */
#include <string.h>

#include "show-names.h"
#include "show-walk.h"

static void put_string(FILE *out, const char *text)
{
	const uint8_t *s = (const uint8_t *)text;
	uint32_t code;
	size_t n;

	putc_unlocked('"', out);
	for (; *s; s += n ? n : 1) {
		n = cr_show_utf8(s, &code);
		if (n == 0 || code < 0x20 || code == 0x7f)
			fprintf(out, "\\x%02x", *s);
		else if (code >= 0x80 && code < 0xa0)
			fprintf(out, "\\u%04x", code);
		else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else
			fwrite(s, 1, n, out);
	}
	putc_unlocked('"', out);
}

static void put_parts(FILE *out, const struct cr_show_part *parts, size_t count)
{
	putc_unlocked('{', out);
	for (size_t i = 0; i < count; i++) {
		const struct cr_show_part *p = &parts[i];

		fprintf(out, p->hex ? "%s%s=0x%llx" : "%s%s=%lld", i ? " " : "", p->name,
			(long long)p->value);
		if (p->label[0])
			fprintf(out, " (%s)", p->label);
	}
	putc_unlocked('}', out);
}

static void put_bytes(FILE *out, const char *msg, const char *field, const ProtobufCBinaryData *b)
{
	struct cr_show_part parts[CR_SHOW_PARTS_MAX];
	size_t n = cr_show_parts(msg, field, b->data, b->len, parts);
	bool cut = b->len > CR_SHOW_BYTES_MAX;
	char name[CR_SHOW_NAME_MAX];

	if (cr_show_name(msg, field, b->data, b->len, name)) {
		fprintf(out, "\"%s\"", name);
		return;
	}
	if (n) {
		put_parts(out, parts, n);
		return;
	}
	cr_show_hex(out, b->data, cut ? CR_SHOW_BYTES_MAX / 4 : b->len);
	if (cut)
		fprintf(out, "... (%zu bytes)", b->len);
}

static void put_number(FILE *out, const char *msg, const struct cr_show_field *v, const uint8_t *at)
{
	char names[CR_SHOW_NAMES_MAX];

	cr_show_put_number(out, v->desc, at);
	if (v->desc->label == PROTOBUF_C_LABEL_REPEATED)
		return;
	if (cr_show_decode(msg, v->desc->name, cr_show_number(v->desc, at), names, sizeof(names)) !=
		    CR_SHOW_PLAIN &&
	    names[0])
		fprintf(out, " (%s)", names);
}

static void put_scalar(FILE *out, const char *msg, const struct cr_show_field *v, size_t i)
{
	const uint8_t *at = v->values + i * cr_show_element_size(v->desc);
	const char *name;

	switch (v->desc->type) {
	case PROTOBUF_C_TYPE_STRING:
		put_string(out, *(const char *const *)at);
		return;
	case PROTOBUF_C_TYPE_BYTES:
		put_bytes(out, msg, v->desc->name, (const ProtobufCBinaryData *)at);
		return;
	case PROTOBUF_C_TYPE_ENUM:
		name = cr_show_enum(v->desc, at);
		fputs(name ? name : "unknown", out);
		return;
	case PROTOBUF_C_TYPE_FLOAT:
		fprintf(out, "%g", (double)*(const float *)at);
		return;
	case PROTOBUF_C_TYPE_DOUBLE:
		fprintf(out, "%g", *(const double *)at);
		return;
	default:
		put_number(out, msg, v, at);
	}
}

/* Nothing worth a word? */
static bool is_empty(const struct cr_show_field *v)
{
	const ProtobufCFieldDescriptor *f = v->desc;

	if (!v->count || f->label == PROTOBUF_C_LABEL_REPEATED)
		return !v->count;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return !**(const char *const *)v->values;
	case PROTOBUF_C_TYPE_BYTES:
		return !((const ProtobufCBinaryData *)v->values)->len;
	case PROTOBUF_C_TYPE_MESSAGE:
	case PROTOBUF_C_TYPE_ENUM:
		return false;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		return false;
	default:
		return cr_show_number(f, v->values) == 0;
	}
}

static void put_scalars(FILE *out, const char *msg, const struct cr_show_field *v)
{
	bool list = v->desc->label == PROTOBUF_C_LABEL_REPEATED;

	fprintf(out, " %s=%s", v->desc->name, list ? "[" : "");
	for (size_t i = 0; i < v->count; i++) {
		fputs(i ? " " : "", out);
		put_scalar(out, msg, v, i);
	}
	fputs(list ? "]" : "", out);
}

static void put_message(FILE *out, const char *name, const char *index_name,
			const ProtobufCMessage *msg, unsigned int depth);

static void put_inner(FILE *out, const struct cr_show_field *v, unsigned int depth)
{
	bool list = v->desc->label == PROTOBUF_C_LABEL_REPEATED;

	for (size_t i = 0; i < v->count; i++)
		put_message(out, v->desc->name, list ? cr_show_index_name(v->desc->name, i) : NULL,
			    ((const ProtobufCMessage *const *)v->values)[i], depth + 1);
}

static void put_message(FILE *out, const char *name, const char *index_name,
			const ProtobufCMessage *msg, unsigned int depth)
{
	const ProtobufCMessageDescriptor *d = msg->descriptor;

	fprintf(out, "%*s%s", (int)depth * 4, "", name);
	if (index_name)
		fprintf(out, " %s", index_name);
	for (unsigned int i = 0; i < d->n_fields; i++) {
		struct cr_show_field v = cr_show_field(msg, i);

		if (v.desc->type != PROTOBUF_C_TYPE_MESSAGE &&
		    (!is_empty(&v) || (i == 0 && v.count && !index_name)))
			put_scalars(out, d->short_name, &v);
	}
	putc_unlocked('\n', out);
	for (unsigned int i = 0; i < d->n_fields && depth < CR_SHOW_DEPTH_MAX; i++) {
		struct cr_show_field v = cr_show_field(msg, i);

		if (v.desc->type == PROTOBUF_C_TYPE_MESSAGE)
			put_inner(out, &v, depth);
	}
}

void cr_show_text(FILE *out, const char *kind, const ProtobufCMessage *msg)
{
	put_message(out, kind, NULL, msg, 0);
}

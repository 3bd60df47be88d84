/* SPDX-License-Identifier: MIT */
/*
 * JSON, one object on one line.  Every field is there, so that a program can
 * rely on it; an absent message is null.  Beside a number NAME that has names
 * in the kernel stands NAME_name (a text) or NAME_names (an array).
 */
#include <string.h>

#include "json.h"
#include "show-names.h"
#include "show-walk.h"

/* "a|b" as ["a","b"] */
static void put_names(FILE *out, char *names)
{
	char *save = NULL;
	const char *sep = "";

	putc_unlocked('[', out);
	for (char *n = strtok_r(names, "|", &save); n; n = strtok_r(NULL, "|", &save)) {
		fputs(sep, out);
		cr_json_string(out, n);
		sep = ",";
	}
	putc_unlocked(']', out);
}

static void put_parts(FILE *out, const struct cr_show_part *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct cr_show_part *p = &parts[i];

		fprintf(out, p->hex ? "%s\"%s\":\"0x%llx\"" : "%s\"%s\":%lld", i ? "," : "{",
			p->name, (long long)p->value);
		if (p->label[0])
			fprintf(out, ",\"%s_name\":\"%s\"", p->name, p->label);
	}
	putc_unlocked('}', out);
}

/* An object when the struct in it is known, else hex digits; long ones end in "...". */
static void put_bytes(FILE *out, const char *msg, const char *field, const ProtobufCBinaryData *b)
{
	struct cr_show_part parts[CR_SHOW_PARTS_MAX];
	size_t n = cr_show_parts(msg, field, b->data, b->len, parts);
	bool cut = b->len > CR_SHOW_BYTES_MAX;
	char name[CR_SHOW_NAME_MAX];

	if (cr_show_name(msg, field, b->data, b->len, name)) {
		cr_json_string(out, name);
		return;
	}
	if (n) {
		put_parts(out, parts, n);
		return;
	}
	putc_unlocked('"', out);
	cr_show_hex(out, b->data, cut ? CR_SHOW_BYTES_MAX / 2 : b->len);
	fprintf(out, cut ? "... %zu bytes\"" : "\"", b->len);
}

static void put_message(FILE *out, const ProtobufCMessage *msg, const char *first, const char *name,
			unsigned int depth);

static void put_value(FILE *out, const char *msg, const struct cr_show_field *v, size_t i,
		      unsigned int depth)
{
	const ProtobufCFieldDescriptor *f = v->desc;
	const uint8_t *at = v->values + i * cr_show_element_size(f);
	const char *name;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		cr_json_string(out, *(const char *const *)at);
		return;
	case PROTOBUF_C_TYPE_BYTES:
		put_bytes(out, msg, f->name, (const ProtobufCBinaryData *)at);
		return;
	case PROTOBUF_C_TYPE_MESSAGE:
		name = f->label == PROTOBUF_C_LABEL_REPEATED ? cr_show_index_name(f->name, i) :
							       NULL;
		put_message(out, *(const ProtobufCMessage *const *)at, "which", name, depth + 1);
		return;
	case PROTOBUF_C_TYPE_ENUM:
		name = cr_show_enum(f, at);
		if (name)
			cr_json_string(out, name);
		else
			fprintf(out, "%d", *(const int32_t *)at);
		return;
	case PROTOBUF_C_TYPE_FLOAT:
		fprintf(out, "%.9g", (double)*(const float *)at);
		return;
	case PROTOBUF_C_TYPE_DOUBLE:
		fprintf(out, "%.17g", *(const double *)at);
		return;
	default:
		fputs(cr_show_is_hex(f) ? "\"" : "", out);
		cr_show_put_number(out, f, at);
		fputs(cr_show_is_hex(f) ? "\"" : "", out);
	}
}

/* ,"prot_names":["PROT_READ"] */
static void put_decoded(FILE *out, const char *msg, const struct cr_show_field *v)
{
	char names[CR_SHOW_NAMES_MAX];
	const char *field = v->desc->name;

	switch (cr_show_decode(msg, field, cr_show_number(v->desc, v->values), names,
			       sizeof(names))) {
	case CR_SHOW_ONE:
		fprintf(out, ",\"%s_name\":", field);
		cr_json_string(out, names);
		return;
	case CR_SHOW_SET:
		fprintf(out, ",\"%s_names\":", field);
		put_names(out, names);
		return;
	default:
		return;
	}
}

static bool has_number(const ProtobufCFieldDescriptor *f)
{
	return f->type != PROTOBUF_C_TYPE_STRING && f->type != PROTOBUF_C_TYPE_BYTES &&
	       f->type != PROTOBUF_C_TYPE_MESSAGE && f->type != PROTOBUF_C_TYPE_ENUM &&
	       f->type != PROTOBUF_C_TYPE_FLOAT && f->type != PROTOBUF_C_TYPE_DOUBLE;
}

static void put_field(FILE *out, const char *msg, const struct cr_show_field *v, unsigned int depth)
{
	const ProtobufCFieldDescriptor *f = v->desc;

	fprintf(out, "\"%s\":", f->name);
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		putc_unlocked('[', out);
		for (size_t i = 0; i < v->count; i++) {
			fputs(i ? "," : "", out);
			put_value(out, msg, v, i, depth);
		}
		putc_unlocked(']', out);
		return;
	}
	if (!v->count) {
		fputs("null", out);
		return;
	}
	put_value(out, msg, v, 0, depth);
	if (has_number(f))
		put_decoded(out, msg, v);
}

/* With the member "@first": "@name" in front when @name is there. */
static void put_message(FILE *out, const ProtobufCMessage *msg, const char *first, const char *name,
			unsigned int depth)
{
	const ProtobufCMessageDescriptor *d = msg->descriptor;
	const char *sep = "";

	putc_unlocked('{', out);
	if (name) {
		fprintf(out, "\"%s\":\"%s\"", first, name);
		sep = ",";
	}
	for (unsigned int i = 0; i < d->n_fields && depth <= CR_SHOW_DEPTH_MAX; i++) {
		struct cr_show_field v = cr_show_field(msg, i);

		if ((v.desc->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && !v.count)
			continue;
		fputs(sep, out);
		put_field(out, d->short_name, &v, depth);
		sep = ",";
	}
	putc_unlocked('}', out);
}

void cr_show_json(FILE *out, const char *kind, const ProtobufCMessage *msg)
{
	put_message(out, msg, "kind", kind, 0);
}

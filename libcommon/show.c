/* SPDX-License-Identifier: MIT */
#include "show.h"

#include "show-walk.h"

int cr_show(FILE *out, enum cr_show_format format, const struct cr_kind_info *info,
	    const ProtobufCMessage *msg, struct cr_err *err)
{
	if (format == CR_SHOW_JSON)
		cr_show_json(out, info->name, msg);
	else
		cr_show_text(out, info->name, msg);
	if (ferror(out))
		return cr_err_sys(err, "unable to write");
	return 0;
}

/* The quantifier of a repeated field: how many there are. */
static size_t quantity(const ProtobufCFieldDescriptor *f, const uint8_t *base)
{
	return *(const size_t *)(base + f->quantifier_offset);
}

size_t cr_show_element_size(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

struct cr_show_field cr_show_field(const ProtobufCMessage *msg, unsigned int i)
{
	const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
	const uint8_t *base = (const uint8_t *)msg;
	struct cr_show_field v = { .desc = f, .values = base + f->offset, .count = 1 };
	bool pointer = f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_STRING;

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		v.count = *(const uint32_t *)(base + f->quantifier_offset) == f->id;
	else if (f->label == PROTOBUF_C_LABEL_REPEATED)
		v.count = quantity(f, base);
	else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && !pointer && f->quantifier_offset)
		v.count = *(const protobuf_c_boolean *)(base + f->quantifier_offset);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		v.values = *(const uint8_t *const *)v.values;
	else if (pointer && v.count && !*(const void *const *)v.values)
		v.count = 0;
	return v;
}

uint64_t cr_show_number(const ProtobufCFieldDescriptor *f, const uint8_t *at)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
		return (uint64_t)(int64_t)((const int32_t *)at)[0];
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return *(const uint32_t *)at;
	case PROTOBUF_C_TYPE_BOOL:
		return *(const protobuf_c_boolean *)at != 0;
	default:
		return *(const uint64_t *)at;
	}
}

bool cr_show_is_hex(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_FIXED32 || f->type == PROTOBUF_C_TYPE_FIXED64;
}

void cr_show_put_number(FILE *out, const ProtobufCFieldDescriptor *f, const uint8_t *at)
{
	uint64_t v = cr_show_number(f, at);

	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		fprintf(out, "%lld", (long long)v);
		return;
	case PROTOBUF_C_TYPE_BOOL:
		fputs(v ? "true" : "false", out);
		return;
	default:
		fprintf(out, cr_show_is_hex(f) ? "0x%llx" : "%llu", (unsigned long long)v);
	}
}

const char *cr_show_enum(const ProtobufCFieldDescriptor *f, const uint8_t *at)
{
	const ProtobufCEnumValue *v =
		protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int32_t *)at);

	return v ? v->name : NULL;
}

void cr_show_hex(FILE *out, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		putc_unlocked(digits[data[i] >> 4], out);
		putc_unlocked(digits[data[i] & 15], out);
	}
}

static size_t utf8_length(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Number of bytes of the UTF-8 character at @s, its code in *code; 0: it is none. */
size_t cr_show_utf8(const uint8_t *s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = utf8_length(s[0]);

	*code = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)	/* also at the NUL */
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	if (n > 1 && (*code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000)))
		return 0;
	return n;
}

/* SPDX-License-Identifier: MIT */
#include "args.h"

#include <string.h>

#include "parse.h"

#define ALIGN 16u

int args_reserve(struct args *a, size_t size, uint32_t *offset, struct cr_err *err)
{
	uint32_t at = (a->used + ALIGN - 1) & ~(ALIGN - 1);

	if (at > sizeof(a->data) || size > sizeof(a->data) - at)
		return cr_err_set(err, CR_USAGE, "the arguments take more than %zu bytes",
				  sizeof(a->data));
	*offset = at;
	a->used = at + (uint32_t)size;
	return 0;
}

static int add_bytes(struct args *a, const void *bytes, size_t size, struct cr_err *err)
{
	uint32_t at;

	if (args_reserve(a, size, &at, err) < 0)
		return -1;
	memcpy(a->data + at, bytes, size);
	a->in_data |= 1u << a->count;
	a->value[a->count] = at;
	return 0;
}

static int add_buffer(struct args *a, const char *text, struct cr_err *err)
{
	uint64_t size;
	uint32_t at;

	if (cr_parse_size(text, &size) < 0 || !size || size > sizeof(a->data))
		return cr_err_set(err, CR_USAGE, "'b:%s': not a size from 1 to %zu", text,
				  sizeof(a->data));
	if (args_reserve(a, size, &at, err) < 0)
		return -1;
	a->in_data |= 1u << a->count;
	a->value[a->count] = at;
	a->size[a->count] = (uint32_t)size;
	return 0;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *p = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return p ? (int)(p - digits) : -1;
}

static int add_hex(struct args *a, const char *text, struct cr_err *err)
{
	size_t size = strlen(text) / 2;
	uint32_t at;

	if (strlen(text) % 2)
		return cr_err_set(err, CR_USAGE, "'x:%s': an odd number of digits", text);
	if (args_reserve(a, size, &at, err) < 0)
		return -1;
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return cr_err_set(err, CR_USAGE, "'x:%s': not hexadecimal", text);
		a->data[at + i] = (uint8_t)(high << 4 | low);
	}
	a->in_data |= 1u << a->count;
	a->value[a->count] = at;
	return 0;
}

static int parse_number(const char *text, int64_t *v)
{
	uint64_t u;

	if (cr_parse_u64(text, 0, 0, UINT64_MAX, &u) == 0) {
		*v = (int64_t)u;
		return 0;
	}
	return cr_parse_i64(text, 0, INT64_MIN, -1, v);
}

static int add(struct args *a, const char *text, struct cr_err *err)
{
	if (parse_number(text, &a->value[a->count]) == 0)
		return 0;
	if (strncmp(text, "b:", 2) == 0)
		return add_buffer(a, text + 2, err);
	if (strncmp(text, "x:", 2) == 0)
		return add_hex(a, text + 2, err);
	if (strncmp(text, "s:", 2) == 0)
		text += 2;
	return add_bytes(a, text, strlen(text) + 1, err);
}

int args_parse(struct args *a, char **argv, int argc, uint32_t first, struct cr_err *err)
{
	memset(a, 0, sizeof(*a));
	a->used = first;
	if (argc > ARGS_MAX)
		return cr_err_set(err, CR_USAGE, "'%s': more than %d arguments", argv[ARGS_MAX],
				  ARGS_MAX);
	for (a->count = 0; a->count < (unsigned int)argc; a->count++)
		if (add(a, argv[a->count], err) < 0)
			return -1;
	return 0;
}

static void print_bytes(FILE *out, const uint8_t *p, size_t len)
{
	while (len && !p[len - 1])
		len--;
	fputc('"', out);
	for (size_t i = 0; i < len; i++) {
		static const char named[] = "\a\b\t\n\v\f\r";
		const char *n = p[i] ? strchr(named, p[i]) : NULL;

		if (p[i] == '"' || p[i] == '\\')
			fprintf(out, "\\%c", p[i]);
		else if (n)
			fprintf(out, "\\%c", "abtnvfr"[n - named]);
		else if (p[i] < ' ' || p[i] > '~')
			fprintf(out, "\\%03o", p[i]);
		else
			fputc(p[i], out);
	}
	fputc('"', out);
}

void args_print_buffers(FILE *out, const struct args *a)
{
	for (unsigned int i = 0; i < a->count; i++) {
		if (!a->size[i])
			continue;
		fprintf(out, "arg %u: ", i + 1);
		print_bytes(out, a->data + a->value[i], a->size[i]);
		fputc('\n', out);
	}
}

/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <stdint.h>

#include "show-walk.h"

void cr_json_string(FILE *out, const char *text)
{
	const uint8_t *s = (const uint8_t *)text;
	uint32_t code;
	size_t n;

	putc_unlocked('"', out);
	for (; *s; s += n ? n : 1) {
		n = cr_show_utf8(s, &code);
		if (n == 0)
			fprintf(out, "\\udc%02x", *s);
		else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (code < 0x20 || (code >= 0x7f && code < 0xa0))
			fprintf(out, "\\u%04x", code);
		else
			fwrite(s, 1, n, out);
	}
	putc_unlocked('"', out);
}

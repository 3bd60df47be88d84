/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"

int stats_add(struct stats *s, const Cr__Stats *stage, struct cr_err *err)
{
	size_t len = cr__stats__get_packed_size(stage);
	uint8_t *packed = malloc(len ? len : 1);
	Cr__Stats **grown = realloc(s->stages, (s->count + 1) * sizeof(*grown));
	Cr__Stats *copy = NULL;

	if (grown)
		s->stages = grown;
	if (packed && grown) {
		cr__stats__pack(stage, packed);
		copy = cr__stats__unpack(NULL, len, packed);
	}
	free(packed);
	if (!copy)
		return cr_err_sys(err, "out of memory");
	s->stages[s->count++] = copy;
	return 0;
}

void stats_clear(struct stats *s)
{
	for (unsigned int i = 0; i < s->count; i++)
		cr__stats__free_unpacked(s->stages[i], NULL);
	free(s->stages);
	memset(s, 0, sizeof(*s));
}

static void put_stage(FILE *out, const Cr__Stats *stage)
{
	cr_json_string(out, stage->tool);
	fputs(": {", out);
	for (size_t i = 0; i < stage->n_counters; i++) {
		fputs(i ? ", " : "", out);
		cr_json_string(out, stage->counters[i]->name);
		fprintf(out, ": %llu", (unsigned long long)stage->counters[i]->value);
	}
	fputs("}", out);
}

static void put(const struct stats *s, FILE *out)
{
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "freezing_us", s->times.freezing_us },
		{ "frozen_us", s->times.frozen_us },
		{ "commit_us", s->commit_us },
		{ "pages", s->pages },
		{ "bytes", s->bytes },
		{ "records", s->records },
	};

	fputs("{\n", out);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		fprintf(out, "  \"%s\": %llu,\n", numbers[i].name,
			(unsigned long long)numbers[i].value);
	fputs("  \"stages\": {", out);
	for (unsigned int i = 0; i < s->count; i++) {
		fputs(i ? ",\n    " : "\n    ", out);
		put_stage(out, s->stages[i]);
	}
	fputs("\n  }\n}\n", out);
}

int stats_write(const struct stats *s, int fd, struct cr_err *err)
{
	int copy = dup(fd);
	FILE *out = copy >= 0 ? fdopen(copy, "w") : NULL;

	if (!out) {
		if (copy >= 0)
			close(copy);
		return cr_err_sys(err, "unable to write the statistics");
	}
	put(s, out);
	if (fclose(out) != 0)
		return cr_err_sys(err, "unable to write the statistics");
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * What a reader of streams makes of damaged ones.
 *
 * streamfuzz truncate FILE     cut at every byte: each must be noticed
 * streamfuzz flip FILE         flip every byte: each must be noticed
 * streamfuzz run FILE SECONDS  random damage under right checksums, so that
 *                              decoding and showing are reached
 * streamfuzz make FILE SEED    such a stream to stdout
 *
 * The exit status is 1 when something was not noticed; a crash is a crash.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "crc32c.h"
#include "parse.h"
#include "schemas.h"
#include "show.h"
#include "stream.h"

#define HEAD sizeof(struct cr_record_head)
#define MAGIC (sizeof(CR_STREAM_MAGIC) - 1)
#define MAX_SIZE (1u << 20)

static uint8_t orig[MAX_SIZE], buf[MAX_SIZE];
static size_t size;
static FILE *null;
static int memfd;
static uint64_t state;

static uint64_t rnd(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

/* 0: read to its end without a fault, 1: a fault was found. */
static int read_all(const uint8_t *data, size_t len)
{
	struct cr_reader *r;
	struct cr_record rec;
	struct cr_err err;
	int got;

	if (ftruncate(memfd, 0) < 0 || pwrite(memfd, data, len, 0) != (ssize_t)len ||
	    lseek(memfd, 0, SEEK_SET) != 0 || cr_reader_open(memfd, "memfd", &r, &err) < 0)
		abort();
	while ((got = cr_reader_next(r, &rec, &err)) > 0) {
		void *msg = rec.info ? cr_record_unpack(&rec, &err) : NULL;

		if (rec.info && !msg) {
			got = -1;
			break;
		}
		if (msg && (cr_show(null, CR_SHOW_JSON, rec.info, msg, &err) < 0 ||
			    cr_show(null, CR_SHOW_TEXT, rec.info, msg, &err) < 0))
			abort();
		cr_record_free_msg(msg);
	}
	if (got < 0 && err.class != CR_BAD_INPUT && !cr_reader_met_failure(r))
		abort();
	cr_reader_free(r);
	return got < 0;
}

static int truncate_all(void)
{
	int bad = 0;

	for (size_t n = 0; n < size; n++)
		if (!read_all(orig, n) && ++bad)
			printf("# cut to %zu bytes: not noticed\n", n);
	return bad != 0;
}

static int flip_all(void)
{
	int bad = 0;

	for (size_t i = 0; i < size; i++) {
		memcpy(buf, orig, size);
		buf[i] ^= (uint8_t)(1u << (i % 8));
		if (!read_all(buf, size) && ++bad)
			printf("# byte %zu flipped: not noticed\n", i);
	}
	return bad != 0;
}

/* Start of record number @want, or of the last one; *n how many there are. */
static size_t record_at(size_t want, size_t *n)
{
	struct cr_record_head head;
	size_t pos = MAGIC, last = MAGIC;

	for (*n = 0; pos + HEAD <= size; ++*n) {
		memcpy(&head, orig + pos, HEAD);
		if (*n <= want)
			last = pos;
		pos += HEAD + head.length;
	}
	return last;
}

static void seal(uint8_t *at)
{
	struct cr_record_head head;

	memcpy(&head, at, HEAD);
	head.crc = cr_crc32c(cr_crc32c(0, &head, 8), at + HEAD, head.length);
	memcpy(at, &head, HEAD);
}

/* Make End fit, so that only what is inside of the records is strange. */
static size_t finish(size_t len)
{
	struct cr_record_head head;
	uint32_t sum = 0;
	Cr__End end = CR__END__INIT;
	size_t pos = MAGIC;

	while (pos + HEAD <= len) {
		memcpy(&head, buf + pos, HEAD);
		if (head.kind == CR_KIND_END)
			break;
		sum = cr_crc32c(sum, &head.crc, 4);
		end.count++;
		pos += HEAD + head.length;
	}
	end.checksum = sum;
	head.kind = CR_KIND_END;
	head.flags = 0;
	head.length = (uint32_t)cr__end__pack(&end, buf + pos + HEAD);
	memcpy(buf + pos, &head, HEAD);
	seal(buf + pos);
	return pos + HEAD + head.length;
}

/* Damage some bytes of one record's payload or its kind. */
static size_t mutate(void)
{
	struct cr_record_head head;
	size_t n, pos;

	memcpy(buf, orig, size);
	record_at(0, &n);
	pos = record_at(rnd(n - 1), &n);
	memcpy(&head, buf + pos, HEAD);
	for (uint64_t k = 1 + rnd(4); k && head.length; k--)
		buf[pos + HEAD + rnd(head.length)] = (uint8_t)rnd(256);
	if (rnd(8) == 0) {
		head.kind = (uint16_t)rnd(60);
		memcpy(buf + pos, &head, HEAD);
	}
	seal(buf + pos);
	return finish(size);
}

static int run_for(unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long count = 0, good = 0;

	while (count % 64 || time(NULL) < end) {
		good += !read_all(buf, mutate());
		count++;
	}
	printf("# %lu streams, %lu of them still well-formed\n", count, good);
	return 0;
}

static int make(uint64_t seed)
{
	size_t len;

	state += seed * 0x9e3779b97f4a7c15u;
	rnd(2);
	len = mutate();
	return write(STDOUT_FILENO, buf, len) == (ssize_t)len ? 0 : 111;
}

int main(int argc, char **argv)
{
	uint64_t arg = 0;
	FILE *f = argc > 2 ? fopen(argv[2], "re") : NULL;

	if (!f || (argc > 3 && cr_parse_u64(argv[3], 10, 0, UINT32_MAX, &arg) < 0))
		return 100;
	size = fread(orig, 1, sizeof(orig) - 65536, f);
	fclose(f);
	null = fopen("/dev/null", "we");
	memfd = memfd_create("stream", MFD_CLOEXEC);
	state = 88172645463325252u;
	if (read_all(orig, size)) {
		printf("# the stream is not good to begin with\n");
		return 1;
	}
	if (strcmp(argv[1], "truncate") == 0)
		return truncate_all();
	if (strcmp(argv[1], "flip") == 0)
		return flip_all();
	if (strcmp(argv[1], "make") == 0)
		return make(arg);
	return run_for((unsigned int)arg);
}

/* SPDX-License-Identifier: MIT */
/*
 * cpuimage [flag=NAME | state=N | size=N | pkru=N | permitted=N | keys=0|1]... <IMAGE >IMAGE
 *
 * The manifest of an image as of another CPU: one with the flag NAME, with
 * threads that use the state component N, or whose XSAVE area has N bytes, or
 * with those rights to protection keys; processes that have asked for component N, without
 * any protection keys, or with the key 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schemas.h"
#include "stream.h"

#define XSTATE_BV 512
#define XSTATE_XCR0 464
#define PKRU_OFFSET 2688
#define PKRU_BYTE 1	/* of the bit 9 */
#define PKRU_BIT 2

static struct cr_err err;

static void fatal(const char *what)
{
	fprintf(stderr, "cpuimage: %s: %s\n", what, err.msg);
	exit(111);
}

static void change_header(Cr__Header *h, const char *word)
{
	if (strncmp(word, "flag=", 5) != 0)
		return;
	h->cpu_flags = realloc(h->cpu_flags, (h->n_cpu_flags + 1) * sizeof(*h->cpu_flags));
	h->cpu_flags[h->n_cpu_flags++] = strdup(word + 5);
}

static void change_size(Cr__Thread *t, size_t size)
{
	t->xstate.data = realloc(t->xstate.data, size);
	if (size > t->xstate.len)
		memset(t->xstate.data + t->xstate.len, 0, size - t->xstate.len);
	t->xstate.len = size;
}

static void change_thread(Cr__Thread *t, const char *word)
{
	if (strncmp(word, "state=", 6) == 0) {
		unsigned long bit = strtoul(word + 6, NULL, 10);

		t->xstate.data[XSTATE_BV + bit / 8] |= (uint8_t)(1u << bit % 8);
	} else if (strncmp(word, "size=", 5) == 0) {
		change_size(t, strtoul(word + 5, NULL, 10));
	} else if (strncmp(word, "pkru=", 5) == 0) {
		uint32_t pkru = (uint32_t)strtoul(word + 5, NULL, 16);

		if (t->xstate.len < PKRU_OFFSET + 8)
			change_size(t, PKRU_OFFSET + 8);
		memcpy(t->xstate.data + PKRU_OFFSET, &pkru, sizeof(pkru));
		t->xstate.data[XSTATE_BV + PKRU_BYTE] |= PKRU_BIT;
		t->xstate.data[XSTATE_XCR0 + PKRU_BYTE] |= PKRU_BIT;
	}
}

static void change_inside(Cr__Inside *in, const char *word)
{
	if (strncmp(word, "permitted=", 10) == 0)
		in->xstate_permitted |= 1ull << strtoul(word + 10, NULL, 10);
	else if (strncmp(word, "keys=", 5) == 0)
		in->pkeys = word[5] == '1' ? 3 : 0;
}

static void change_mm(Cr__Mm *mm, const char *word)
{
	for (size_t i = 0; i < mm->n_vmas && strcmp(word, "keys=0") == 0; i++)
		mm->vmas[i]->pkey = 0;
}

int main(int argc, char **argv)
{
	struct cr_reader *in;
	struct cr_writer *out;
	struct cr_record rec;
	int more;

	if (cr_reader_open(STDIN_FILENO, "stdin", &in, &err) < 0 ||
	    cr_writer_open(STDOUT_FILENO, "stdout", &out, &err) < 0)
		fatal("open");
	while ((more = cr_reader_next(in, &rec, &err)) > 0 && rec.kind != CR_KIND_END) {
		void *msg = NULL;

		if (rec.kind == CR_KIND_HEADER || rec.kind == CR_KIND_THREAD ||
		    rec.kind == CR_KIND_INSIDE || rec.kind == CR_KIND_MM) {
			msg = cr_record_unpack(&rec, &err);
			if (!msg)
				fatal("unpack");
		}
		for (int i = 1; msg && i < argc; i++) {
			if (rec.kind == CR_KIND_HEADER)
				change_header(msg, argv[i]);
			else if (rec.kind == CR_KIND_INSIDE)
				change_inside(msg, argv[i]);
			else if (rec.kind == CR_KIND_MM)
				change_mm(msg, argv[i]);
			else
				change_thread(msg, argv[i]);
		}
		if ((msg ? cr_writer_put(out, (enum cr_kind)rec.kind, msg, &err) :
			   cr_writer_copy(out, &rec, &err)) < 0)
			fatal("write");
		cr_record_free_msg(msg);
	}
	if (more < 0 || cr_writer_end(out, &err) < 0)
		fatal("stream");
	cr_reader_free(in);
	return 0;
}

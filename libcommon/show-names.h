/* SPDX-License-Identifier: MIT */
/*
 * What show.c knows about single fields: the kernel's names of numbers, and
 * the structs behind some bytes.  A field is known by its name; an entry here
 * covers every message that has a field of that name.
 */
#ifndef CR_SHOW_NAMES_H
#define CR_SHOW_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cr_show_decoded {
	CR_SHOW_PLAIN,	/* nothing is known about the field */
	CR_SHOW_ONE,	/* one name or text in the buffer, may be empty */
	CR_SHOW_SET,	/* names with '|' between them, may be empty */
};

/* Big enough for every set: 64 signals. */
#define CR_SHOW_NAMES_MAX 1024

/* @field of message @msg has @value.  Bits without a name are put in hex. */
enum cr_show_decoded cr_show_decode(const char *msg, const char *field, uint64_t value, char *buf,
				    size_t size);

/* What element @index of a repeated field is called ("RLIMIT_CPU"), or NULL. */
const char *cr_show_index_name(const char *field, size_t index);

/* One member of a struct that lies in a bytes field. */
struct cr_show_part {
	const char *name;
	int64_t value;
	bool hex;
	char label[32];		/* kernel name of the value, or "" */
};
#define CR_SHOW_PARTS_MAX 64

/* Fills @parts and returns how many; 0: not known, or not of that struct. */
size_t cr_show_parts(const char *msg, const char *field, const uint8_t *data, size_t len,
		     struct cr_show_part *parts);

/* "SIGTERM", "SIGRTMIN+3"; "" for 0. */
void cr_show_signal(uint64_t sig, char *buf, size_t size);

/* Bytes that are the name of an AF_UNIX socket, as text with '@' for the NUL of
 * an abstract one; false: they are something else. */
#define CR_SHOW_NAME_MAX 512
bool cr_show_name(const char *msg, const char *field, const uint8_t *data, size_t len,
		  char buf[CR_SHOW_NAME_MAX]);

/* show-bytes.c */
size_t cr_show_siginfo(const uint8_t *data, size_t len, struct cr_show_part *parts);
size_t cr_show_auxv(const uint8_t *data, size_t len, struct cr_show_part *parts);

/* arch/: struct user_regs_struct; bit @bit of XCR0, NULL when it has no name. */
size_t cr_show_regs(const uint8_t *data, size_t len, struct cr_show_part *parts);
const char *cr_show_xfeature(unsigned int bit);

#endif

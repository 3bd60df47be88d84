/* SPDX-License-Identifier: MIT */
/*
 * Walking a message by its descriptor: what show-json.c and show-text.c share.
 * Nothing here fails; write errors are found by ferror() in cr_show().
 */
#ifndef CR_SHOW_WALK_H
#define CR_SHOW_WALK_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

void cr_show_json(FILE *out, const char *kind, const ProtobufCMessage *msg);
void cr_show_text(FILE *out, const char *kind, const ProtobufCMessage *msg);

/* The values of field number @i of the descriptor; .count 0 or 1 unless repeated. */
struct cr_show_field {
	const ProtobufCFieldDescriptor *desc;
	const uint8_t *values;
	size_t count;
};
struct cr_show_field cr_show_field(const ProtobufCMessage *msg, unsigned int i);
size_t cr_show_element_size(const ProtobufCFieldDescriptor *f);

/* A value of a number, bool or enum type, sign-extended. */
uint64_t cr_show_number(const ProtobufCFieldDescriptor *f, const uint8_t *at);
bool cr_show_is_hex(const ProtobufCFieldDescriptor *f);
void cr_show_put_number(FILE *out, const ProtobufCFieldDescriptor *f, const uint8_t *at);
const char *cr_show_enum(const ProtobufCFieldDescriptor *f, const uint8_t *at);

/* Longer bytes are cut. */
#define CR_SHOW_BYTES_MAX 64
void cr_show_hex(FILE *out, const uint8_t *data, size_t len);

/* Messages in messages: a hostile schema is none of ours, a deep one neither. */
#define CR_SHOW_DEPTH_MAX 8

size_t cr_show_utf8(const uint8_t *s, uint32_t *code);

#endif

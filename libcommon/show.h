/* SPDX-License-Identifier: MIT */
/*
 * Records for people and programs, driven by the protobuf descriptors.
 *
 * Names are stable: the kind as "kind", then the message's fields.  fixed32
 * and fixed64 fields are addresses and masks and print in hexadecimal; a field
 * of a known name (open_flags, sa_flags, prot, ..., see show-names.c) also
 * prints its value by its kernel names.  Bytes are hex digits, cut when they
 * are long, or the members of the struct in them (siginfo_t, registers).
 */
#ifndef CR_SHOW_H
#define CR_SHOW_H

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

#include "err.h"
#include "stream.h"

enum cr_show_format { CR_SHOW_JSON, CR_SHOW_TEXT };

/* One JSON object, or a block of text lines, without a trailing comma. */
int cr_show(FILE *out, enum cr_show_format format, const struct cr_kind_info *info,
	    const ProtobufCMessage *msg, struct cr_err *err) CR_MUST;

#endif

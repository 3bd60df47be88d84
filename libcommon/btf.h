/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own types, as it publishes them (/sys/kernel/btf/vmlinux, 5.4):
 * where the members of its structs are.
 *
 * Nothing here fails loudly: a kernel without them, or with others than we
 * know, is one where their user goes another way.
 */
#ifndef BTF_H
#define BTF_H

#include <stdbool.h>
#include <stdint.h>

struct btf;

/* NULL: there is none, or it is not understood. */
struct btf *btf_load(void);
void btf_free(struct btf *b);

/* Id of the function, 0: there is no such. */
uint32_t btf_function(const struct btf *b, const char *name);

/*
 * Offset in bytes of a member of "struct NAME"; members of unnamed structs and
 * unions in it are its own.  *@pointer (may be NULL): it is one.  -1: none.
 */
int32_t btf_member(const struct btf *b, const char *name, const char *member, bool *pointer);

/* The same in two steps, for many members; 0: no such struct. */
uint32_t btf_struct(const struct btf *b, const char *name);
/* In bits, since a member may be one; @path may name a member of a member, as
 * "flow.stopped". */
int64_t btf_bit(const struct btf *b, uint32_t id, const char *path);

#endif

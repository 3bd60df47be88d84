/* SPDX-License-Identifier: MIT */
/*
 * The build-id that the linker wrote into an ELF file (NT_GNU_BUILD_ID): it
 * tells two builds of a program or library apart.  The file is hostile input.
 */
#ifndef CR_BUILD_ID_H
#define CR_BUILD_ID_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define CR_BUILD_ID_MAX 64

/* Length of the build-id of the file at @fd (O_PATH will do), 0: it has none
 * or cannot be read.  @sb: fstat(2) of the file. */
size_t cr_build_id(int fd, const struct stat *sb, uint8_t id[CR_BUILD_ID_MAX]);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What --external names, as CRIU does: the text of the link in /proc
 * ("pipe:[4242]", a path), file[MNT:INODE] and tty[RDEV:DEV] in hexadecimal.
 */
#ifndef EXTERNAL_H
#define EXTERNAL_H

#include "dump.h"

/* The option that names @f, or NULL. */
const char *external_key(const struct dump *d, const struct file *f);
int external_dump(struct dump *d, const struct file *f, const char *key,
		  struct cr_err *err) CR_MUST;

#endif

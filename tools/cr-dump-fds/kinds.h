/* SPDX-License-Identifier: MIT */
/* Each is defined in the file of its name. */
#ifndef KINDS_H
#define KINDS_H

#include "dump.h"

extern const struct file_kind kind_other;
extern const struct file_kind kind_pipe;
extern const struct file_kind kind_reg;
extern const struct file_kind kind_socket;

#endif

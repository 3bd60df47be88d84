/* SPDX-License-Identifier: MIT */
/* Is the machine still in the boot in which the image was made? */
#ifndef BOOT_H
#define BOOT_H

#include <stdbool.h>

#include "restore.h"

bool boot_is_same(const struct restore *r);

#endif

/* SPDX-License-Identifier: MIT */
/* memfds, of a Shmem or of a Ghost. */
#ifndef MEMFD_H
#define MEMFD_H

#include <stdint.h>

#include "err.h"

/*
 * A new one, close-on-exec, that can be sealed, for what will get @mode and
 * @seals: whether it may be executed does not depend on vm.memfd_noexec (6.3).
 * With @huge_shift of huge pages.  -1 on an error.
 */
int memfd_make(const char *name, uint32_t mode, uint32_t seals, uint32_t huge_shift,
	       struct cr_err *err) CR_MUST;

#endif

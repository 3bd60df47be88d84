/* SPDX-License-Identifier: MIT */
/* Contexts of asynchronous I/O (io_setup(2)), by the mappings of their rings. */
#ifndef AIO_H
#define AIO_H

#include "dump.h"

int aio_dump(struct dump *d, const Cr__RingMapping *m, struct cr_err *err) CR_MUST;

#endif

/* SPDX-License-Identifier: MIT */
/* What the program has said that it takes: TUNSETOFFLOAD, as ethtool has it. */
#ifndef TUN_OFFLOAD_H
#define TUN_OFFLOAD_H

#include <stdint.h>

#include "err.h"

/* @flags: TUN_F_* */
int tun_offload_look(const char *name, uint32_t *flags, struct cr_err *err) CR_MUST;

#endif

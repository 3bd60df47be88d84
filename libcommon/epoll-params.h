/* SPDX-License-Identifier: MIT */
/* How an epoll polls devices busily: ioctls of Linux 6.9. */
#ifndef CR_EPOLL_PARAMS_H
#define CR_EPOLL_PARAMS_H

#include <stdint.h>
#include <sys/ioctl.h>

struct cr_epoll_params {
	uint32_t busy_poll_usecs;
	uint16_t busy_poll_budget;
	uint8_t prefer_busy_poll;
	uint8_t pad;
};

#define CR_EPIOCSPARAMS _IOW(0x8a, 1, struct cr_epoll_params)
#define CR_EPIOCGPARAMS _IOR(0x8a, 2, struct cr_epoll_params)

#endif

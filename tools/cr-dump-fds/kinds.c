/* SPDX-License-Identifier: MIT */
/* The kinds of open file descriptions, in the order in which they are asked. */
#include "kinds.h"

#include <stddef.h>

const struct file_kind *const file_kinds[] = {
	&kind_pipe,	&kind_socket,	 &kind_memfd,	&kind_psi,
	&kind_mqueue,	&kind_namespace, &kind_reg,	&kind_eventfd,
	&kind_timerfd,	&kind_signalfd,	 &kind_epoll,	&kind_pidfd,
	&kind_fifo,	&kind_tty,	 &kind_inotify, &kind_io_uring,
	&kind_fanotify, &kind_bpf_map,	 &kind_tun,	&kind_userfaultfd,
	&kind_other,	/* matches all, refuses all */
	NULL,
};

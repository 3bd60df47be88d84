/* SPDX-License-Identifier: MIT */
/* Each is defined in the file of its name. */
#ifndef KINDS_H
#define KINDS_H

#include "dump.h"

extern const struct file_kind kind_bpf_map;
extern const struct file_kind kind_epoll;
extern const struct file_kind kind_eventfd;
extern const struct file_kind kind_fanotify;
extern const struct file_kind kind_fifo;
extern const struct file_kind kind_inotify;
extern const struct file_kind kind_memfd;
extern const struct file_kind kind_io_uring;
extern const struct file_kind kind_mqueue;
extern const struct file_kind kind_namespace;
extern const struct file_kind kind_other;
extern const struct file_kind kind_pidfd;
extern const struct file_kind kind_pipe;
extern const struct file_kind kind_psi;
extern const struct file_kind kind_reg;
extern const struct file_kind kind_signalfd;
extern const struct file_kind kind_socket;
extern const struct file_kind kind_timerfd;
extern const struct file_kind kind_tty;
extern const struct file_kind kind_tun;
extern const struct file_kind kind_userfaultfd;

#endif

/* SPDX-License-Identifier: MIT */
/* The kinds of open file descriptions; each is in the file of its name. */
#ifndef FILE_KINDS_H
#define FILE_KINDS_H

#include "file.h"

extern const struct file_ops bpf_map_ops;
extern const struct file_ops epoll_ops;
extern const struct file_ops eventfd_ops;
extern const struct file_ops external_ops;
extern const struct file_ops fanotify_ops;
extern const struct file_ops fifo_ops;
extern const struct file_ops inet_ops;
extern const struct file_ops inotify_ops;
extern const struct file_ops io_uring_ops;
extern const struct file_ops memfd_ops;
extern const struct file_ops mqueue_ops;
extern const struct file_ops namespace_ops;
extern const struct file_ops netlink_ops;
extern const struct file_ops pidfd_ops;
extern const struct file_ops pipe_ops;
extern const struct file_ops reg_ops;
extern const struct file_ops signalfd_ops;
extern const struct file_ops timerfd_ops;
extern const struct file_ops tty_ops;
extern const struct file_ops tun_ops;
extern const struct file_ops unix_ops;
extern const struct file_ops userfaultfd_ops;

#endif

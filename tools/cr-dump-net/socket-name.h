/* SPDX-License-Identifier: MIT */
/* A socket in words: "tcp socket 127.0.0.1:80 connected to 127.0.0.1:4242". */
#ifndef SOCKET_NAME_H
#define SOCKET_NAME_H

#define SOCKET_NAME_MAX 384

/* @name has room for SOCKET_NAME_MAX. */
void socket_name(int fd, char *name);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The warden's end of the session, and its wait for the end of the pipeline.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>

#include "err.h"
#include "tree.h"

struct server;

/* Give the tree its end and fill its times.  @early: everything has been read
 * but the image is not safe yet; false when the end has to wait for that. */
typedef bool (*server_commit)(struct cr_tree *tree, bool early, void *ctx);

int server_open(struct server **out, struct cr_err *err) CR_MUST;
const char *server_name(const struct server *s);
void server_free(struct server *s);

/* Serve until a client has said that the pipeline is up, at most @ms. */
int server_wait_ready(struct server *s, int out_fd, int ms, struct cr_err *err) CR_MUST;

/* The warden has named something that is not supported: nothing is committed. */
void server_forbid_commit(struct server *s);

/* During a commit that nothing can undo any more: all stages but the one that
 * asked for it may end. */
void server_dismiss(struct server *s);

/* Serve until @out_fd has no reader left or a commit was carried out.
 * @seconds: not longer than that after the freeze began; 0: as long as it takes.
 * Returns 1 after a commit, 0 without, -1 after a signal or an error. */
int server_run(struct server *s, struct cr_tree *tree, int out_fd, unsigned int seconds,
	       server_commit commit, void *ctx, struct cr_err *err) CR_MUST;

#endif

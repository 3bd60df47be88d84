/* SPDX-License-Identifier: MIT */
/*
 * News of children: has a process been told by wait(2) that its child has
 * stopped or gone on?  The kernel keeps that in the child, and tells it to
 * nobody but the parent.
 *
 * Calling sequence: news_note_child() for all processes; news_ask() of a
 * parent that has any news; news_free() and news_free_children() at the end.
 */
#ifndef NEWS_H
#define NEWS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "session.h"

#ifndef __WALL
#define __WALL 0x40000000
#endif

/* Look only, at every child. */
#define NEWS_OPTIONS (WNOHANG | WNOWAIT | __WALL)

/* Where a siginfo_t, seen as words, has si_pid: 0 when there was no news. */
#define NEWS_PID(words) ((words)[4])

struct children {
	struct child {
		uint32_t parent;
		uint32_t pid;
	} * list;
	size_t count;
	size_t room;
};

struct news {
	uint32_t *stopped;	/* children that the parent has not been told of */
	size_t n_stopped;
	uint32_t *continued;
	size_t n_continued;
};

int news_note_child(struct children *c, uint32_t parent, uint32_t pid, struct cr_err *err) CR_MUST;
int news_ask(struct cr_session *s, pid_t pid, const struct children *c, struct news *news,
	     struct cr_err *err) CR_MUST;
void news_free(struct news *news);
void news_free_children(struct children *c);

#endif

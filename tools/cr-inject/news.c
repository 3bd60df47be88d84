/* SPDX-License-Identifier: MIT */
#include "news.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "clean.h"

#define SIGINFO_WORDS 32
#define AT_ONCE 64u

int news_note_child(struct children *c, uint32_t parent, uint32_t pid, struct cr_err *err)
{
	if (c->count == c->room) {
		size_t room = c->room ? c->room * 2 : 64;
		struct child *grown = realloc(c->list, room * sizeof(*grown));

		if (!grown)
			return cr_err_sys(err, "out of memory");
		c->list = grown;
		c->room = room;
	}
	c->list[c->count++] = (struct child){ parent, pid };
	return 0;
}

static int add(uint32_t **list, size_t *count, uint32_t pid, struct cr_err *err)
{
	uint32_t *grown = realloc(*list, (*count + 1) * sizeof(**list));

	if (!grown)
		return cr_err_sys(err, "out of memory");
	*list = grown;
	(*list)[(*count)++] = pid;
	return 0;
}

static void ask_of(struct cr_op *op, uint32_t pid, int64_t what, size_t at)
{
	*op = (struct cr_op){
		.type = CR_OP_SYSCALL,
		.expect = CR_EXPECT_ANY,
		.nr = SYS_waitid,
		.in_data = 1u << 2,
		.arg = { P_PID, pid, (int64_t)at, NEWS_OPTIONS | what },
	};
}

/* Two questions about each of @n children. */
static int ask_some(struct cr_session *s, pid_t parent, const uint32_t *pids, uint32_t n,
		    struct news *news, struct cr_err *err)
{
	int32_t answers[2 * AT_ONCE][SIGINFO_WORDS];
	struct cr_op ops[2 * AT_ONCE];
	uint32_t done;

	memset(answers, 0, sizeof(answers));
	for (uint32_t i = 0; i < n; i++) {
		ask_of(&ops[2 * i], pids[i], WSTOPPED, 2 * i * sizeof(answers[0]));
		ask_of(&ops[2 * i + 1], pids[i], WCONTINUED, (2 * i + 1) * sizeof(answers[0]));
	}
	if (cr_session_run(s, parent, ops, 2 * n, answers, 2 * n * sizeof(answers[0]), &done, err) <
	    0)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		if (NEWS_PID(answers[2 * i]) &&
		    add(&news->stopped, &news->n_stopped, pids[i], err) < 0)
			return -1;
		if (NEWS_PID(answers[2 * i + 1]) &&
		    add(&news->continued, &news->n_continued, pids[i], err) < 0)
			return -1;
	}
	return 0;
}

int news_ask(struct cr_session *s, pid_t pid, const struct children *c, struct news *news,
	     struct cr_err *err)
{
	uint32_t pids[AT_ONCE], n = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (c->list[i].parent != (uint32_t)pid)
			continue;
		pids[n++] = c->list[i].pid;
		if (n == AT_ONCE && ask_some(s, pid, pids, n, news, err) < 0)
			return -1;
		n %= AT_ONCE;
	}
	return n ? ask_some(s, pid, pids, n, news, err) : 0;
}

void news_free(struct news *news)
{
	free(news->stopped);
	free(news->continued);
}

void news_free_children(struct children *c)
{
	free(c->list);
}

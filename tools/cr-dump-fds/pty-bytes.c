/* SPDX-License-Identifier: MIT */
#include "pty-bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUF 4096u		/* N_TTY_BUF_SIZE */
#define FULL (BUF - 1)
#define OUTPUT_MAX (64u << 10)
#define SETTLE 500		/* times a millisecond for the kernel's worker */
#define ICANON_FLAG 2u
#define EXTPROC_FLAG 0200000u

/* N_TTY's state of one end. */
struct ldisc {
	uint64_t head, tail, canon;	/* counts; the buffer is a ring */
	uint64_t echo_head, echo_tail;
	bool lnext, erasing;
	uint32_t column, canon_column;
	uint8_t buf[BUF];
	uint64_t flags[BUF / 64];	/* where lines end */
};

struct end {
	uint64_t tty;
	uint64_t disc;
	bool stopped, stopped_by_call;
	uint8_t pktstatus;
	struct ldisc ld;
	/* What its worker has not given to N_TTY yet. */
	uint8_t *flip;
	size_t n_flip;
	bool flagged;
};

struct peeker {
	struct kernel_peek *k;
	bool failed;
};

static void get(struct peeker *p, uint64_t addr, const char *name, const char *path, void *to,
		size_t len)
{
	if (!p->failed && kernel_peek_member(p->k, addr, name, path, to, len) < 0)
		p->failed = true;
}

static void get_bit(struct peeker *p, uint64_t addr, const char *name, const char *path, bool *to)
{
	if (!p->failed && kernel_peek_bit(p->k, addr, name, path, to) < 0)
		p->failed = true;
}

static void get_ldisc(struct peeker *p, uint64_t disc, struct ldisc *ld)
{
	static const char n[] = "n_tty_data";

	get(p, disc, n, "read_tail", &ld->tail, 8);
	get(p, disc, n, "canon_head", &ld->canon, 8);
	get(p, disc, n, "echo_tail", &ld->echo_tail, 8);
	get(p, disc, n, "echo_head", &ld->echo_head, 8);
	get(p, disc, n, "column", &ld->column, 4);
	get(p, disc, n, "canon_column", &ld->canon_column, 4);
	get_bit(p, disc, n, "lnext", &ld->lnext);
	get_bit(p, disc, n, "erasing", &ld->erasing);
	get(p, disc, n, "read_buf", ld->buf, sizeof(ld->buf));
	get(p, disc, n, "read_flags", ld->flags, sizeof(ld->flags));
	get(p, disc, n, "read_head", &ld->head, 8);
}

static void get_flip(struct peeker *p, uint64_t tty, struct end *e)
{
	static const char n[] = "tty_buffer";
	uint64_t port, at = 0;
	uint32_t read = 0, commit = 0;
	bool flags = false;

	free(e->flip);
	e->flip = NULL;
	e->n_flip = 0;
	get(p, tty, "tty_struct", "port", &port, 8);
	get(p, port, "tty_port", "buf.head", &at, 8);
	while (!p->failed && at && e->n_flip < OUTPUT_MAX) {
		int64_t data = kernel_peek_where(p->k, n, "data");
		uint8_t *grown;

		get(p, at, n, "read", &read, 4);
		get(p, at, n, "commit", &commit, 4);
		get(p, at, n, "flags", &flags, 1);
		if (p->failed || data < 0 || commit < read || commit - read > OUTPUT_MAX) {
			p->failed = true;
			return;
		}
		e->flagged |= flags && commit > read;
		grown = realloc(e->flip, e->n_flip + (commit - read) + 1);
		if (!grown) {
			p->failed = true;
			return;
		}
		e->flip = grown;
		if (kernel_peek(p->k, at + (uint64_t)data / 8 + read, grown + e->n_flip,
				commit - read) < 0)
			p->failed = true;
		e->n_flip += commit - read;
		get(p, at, n, "next", &at, 8);
	}
}

static void get_end(struct peeker *p, uint64_t tty, struct end *e)
{
	e->tty = tty;
	get(p, tty, "tty_struct", "disc_data", &e->disc, 8);
	get(p, tty, "tty_struct", "flow.stopped", &e->stopped, 1);
	get(p, tty, "tty_struct", "flow.tco_stopped", &e->stopped_by_call, 1);
	get(p, tty, "tty_struct", "ctrl.pktstatus", &e->pktstatus, 1);
}

/* The number of unread bytes, the line that is not complete included. */
static uint64_t unread(const struct ldisc *ld)
{
	return ld->head - ld->tail;
}

/* A worker moves bytes on to N_TTY until that is full, or none are left. */
static void settle(struct peeker *p, struct end *e)
{
	for (int i = 0; i < SETTLE && !p->failed; i++) {
		uint64_t head;

		get_ldisc(p, e->disc, &e->ld);
		get_flip(p, e->tty, e);
		get(p, e->disc, "n_tty_data", "read_head", &head, 8);
		if (p->failed || unread(&e->ld) > BUF) {
			p->failed = true;
			return;
		}
		if (head == e->ld.head && (!e->n_flip || unread(&e->ld) >= FULL))
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static bool flagged(const struct ldisc *ld, uint64_t at)
{
	return ld->flags[at % BUF / 64] >> (at % 64) & 1;
}

/* 0: it can be carried. */
static int why_not(const struct end *master, const struct end *slave, const Cr__Terminal *m,
		   char *why, size_t size)
{
	uint64_t n = unread(&slave->ld);
	bool lines = m->termios->c_lflag & ICANON_FLAG;
	const char *what = NULL;

	if (slave->n_flip)
		what = "the terminal has no room for all that was typed";
	else if (slave->ld.lnext && slave->ld.erasing)
		what = "a key has been quoted in an erasure that is being echoed";
	else if (slave->ld.lnext && !lines)
		what = "the key that quotes the next one has been typed";
	else if (slave->ld.erasing && (!lines || slave->ld.head == slave->ld.canon))
		what = "an erasure is being echoed";
	else if (slave->ld.echo_head != slave->ld.echo_tail)
		what = "an echo waits for room";
	/* Who reads the master is told what has happened to the slave. */
	else if (!m->orphan && (master->flagged || (m->packet && slave->pktstatus)))
		what = "a status of packet mode waits to be read";
	else if (master->stopped)
		what = "the flow to its slave is stopped";
	else if (n && (m->termios->c_lflag & (ICANON_FLAG | EXTPROC_FLAG)) ==
			      (ICANON_FLAG | EXTPROC_FLAG))
		what = "lines of external processing wait to be read";
	if (what)
		snprintf(why, size, "%s (%llu bytes to read, %llu to be read from the master)",
			 what, (unsigned long long)(n + slave->n_flip),
			 (unsigned long long)(unread(&master->ld) + master->n_flip));
	return what != NULL;
}

static void copy_ring(uint8_t *to, const struct ldisc *ld)
{
	for (uint64_t i = ld->tail; i != ld->head; i++)
		*to++ = ld->buf[i % BUF];
}

static int fill(const struct end *master, const struct end *slave, Cr__Terminal *m,
		struct pty_bytes *b, struct cr_err *err)
{
	size_t in = unread(&slave->ld), out = m->orphan ? 0 : unread(&master->ld);
	size_t flip = m->orphan ? 0 : master->n_flip;

	b->input = malloc(in + 1);
	b->ends = malloc((in + 1) * sizeof(*b->ends));
	b->output = malloc(out + flip + 1);
	if (!b->input || !b->ends || !b->output)
		return cr_err_sys(err, "out of memory");
	copy_ring(b->input, &slave->ld);
	if (!m->orphan)
		copy_ring(b->output, &master->ld);
	if (flip)
		memcpy(b->output + out, master->flip, flip);
	for (size_t i = 0; (m->termios->c_lflag & ICANON_FLAG) && i < in; i++)
		if (flagged(&slave->ld, slave->ld.tail + i))
			b->ends[m->n_line_ends++] = (uint32_t)i;
	m->input.data = b->input;
	m->input.len = in;
	m->line_ends = b->ends;
	m->output.data = b->output;
	m->output.len = out + flip;
	m->quoting = slave->ld.lnext;
	m->erasing = slave->ld.erasing;
	m->column = slave->ld.column;
	m->line_column = slave->ld.canon_column;
	m->stopped = slave->stopped;
	m->stopped_by_call = slave->stopped_by_call;
	return 0;
}

int pty_bytes_look(struct kernel_peek *k, int fd, Cr__Terminal *m, struct pty_bytes *b, char *why,
		   size_t size, struct cr_err *err)
{
	struct peeker p = { .k = k };
	struct end *e = calloc(2, sizeof(*e));
	uint64_t at = kernel_peek_file(k, fd), tty = 0, link = 0;
	int ret;

	if (!e)
		return cr_err_sys(err, "out of memory");
	p.failed = !at;
	get(&p, at, "file", "private_data", &at, 8);
	get(&p, at, "tty_file_private", "tty", &tty, 8);
	get(&p, tty, "tty_struct", "link", &link, 8);
	get_end(&p, m->orphan ? link : tty, &e[0]);
	get_end(&p, m->orphan ? tty : link, &e[1]);
	settle(&p, &e[1]);
	settle(&p, &e[0]);
	if (p.failed) {
		snprintf(why, size, "what is on its way through it cannot be seen");
		ret = 1;
	} else {
		ret = why_not(&e[0], &e[1], m, why, size);
		if (ret == 0)
			ret = fill(&e[0], &e[1], m, b, err);
	}
	free(e[0].flip);
	free(e[1].flip);
	free(e);
	return ret;
}

void pty_bytes_free(struct pty_bytes *b)
{
	free(b->input);
	free(b->output);
	free(b->ends);
}

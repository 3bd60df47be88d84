/* SPDX-License-Identifier: MIT */
/*
 * What every stage of the pipeline does: read records on stdin, pass them on
 * to stdout, add its own, and stay until nobody reads its stdout any more.
 *
 * Calling sequence: cr_stage_run() with the callbacks, from main, after the
 * options.  It forwards the Header at once, connects to the freeze's session
 * and, when it is the tail of the pipeline, tells it that all stages are up.
 * Then for each record: ->record() (may be NULL), then the record is copied
 * to stdout unless ->tail is set.  After End of the input ->finish() adds what
 * is left.  All output of a stage goes through cr_stage_put() and
 * cr_stage_refuse().
 *
 * The exit status to use: 0, CR_REFUSED when this stage refused something, or
 * the class of an error.  An error is reported inside.
 */
#ifndef CR_STAGE_H
#define CR_STAGE_H

#include "err.h"
#include "schemas.h"
#include "session.h"
#include "stream.h"

struct cr_stage;

struct cr_stage_ops {
	/* The Header has come; cr_stage_header() and cr_stage_session() work.
	 * The place to prepare: nothing is frozen before it returns, when it takes
	 * no longer than ->hold_ms (0: not at all, but for the tail). */
	int (*start)(struct cr_stage *st, void *ctx, struct cr_err *err);
	uint32_t hold_ms;
	/* A record has come: @msg is its decoded payload (NULL: unknown, or none
	 * of the kinds in ->wants).
	 * Called before the record is copied on, so that work on it is ordered. */
	int (*record)(struct cr_stage *st, void *ctx, const struct cr_record *rec, const void *msg,
		      struct cr_err *err);
	/* No input waits: do a piece of work that has been put off.  Returns 1,
	 * 0 when there is none, -1 on an error.  What is left is ->finish()'s. */
	int (*idle)(struct cr_stage *st, void *ctx, struct cr_err *err);
	/* End has come on stdin and is not yet written. */
	int (*finish)(struct cr_stage *st, void *ctx, struct cr_err *err);
	/* End is written, the stages behind are at work: for what nobody waits for. */
	void (*ended)(struct cr_stage *st, void *ctx);
	/* Kinds to decode, ends with 0; NULL: all.  An address space is large, and
	 * of no interest to most stages. */
	const uint16_t *wants;
	bool tail;	/* writes no stream: cr-imgtool */
};

int cr_stage_run(const struct cr_stage_ops *ops, void *ctx);

const Cr__Header *cr_stage_header(const struct cr_stage *st);

/* In ->start(): what comes now need not be done when the freeze begins. */
void cr_stage_prepared(struct cr_stage *st);

/* The session of the freeze, opened when first asked for. */
struct cr_session *cr_stage_session(struct cr_stage *st, struct cr_err *err) CR_MUST;

int cr_stage_put(struct cr_stage *st, enum cr_kind kind, const void *msg,
		 struct cr_err *err) CR_MUST;

/*
 * Say on stderr that something is not supported and add a Refusal record; the
 * dump goes on, so that all refusals are seen, but nothing will be committed.
 * @object: "fd 7" or "" for the whole task.
 */
int cr_stage_refuse(struct cr_stage *st, pid_t pid, const char *object, const char *kind,
		    const char *remedy, struct cr_err *err) CR_MUST;

/* Add to the counters of this stage's Stats record, written before End;
 * "busy_us", the time spent in the callbacks, is there by itself. */
void cr_stage_count(struct cr_stage *st, const char *name, uint64_t value);

#endif

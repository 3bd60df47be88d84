/* SPDX-License-Identifier: MIT */
/*
 * Checkpoint and restore for a program of your own: another process, or a
 * child of the caller, with all its descendants.
 *
 * Both calls run the toolkit's programs, cr-checkpoint and cr-restore, and wait
 * for them.  They are looked for in .bin_dir, then in $CR_BIN_DIR, then in
 * ../bin beside libcr.so, then along $PATH.  The caller needs the rights that
 * they need, which is root's, mostly.
 *
 * Each line that the programs print on stderr goes to .message when it comes;
 * the last one is the message of the error.  Its class is their exit status:
 * CR_REFUSED when something cannot be carried, or is in the way: nothing was
 * changed then.
 *
 * While a call runs the caller has one more child, and gets SIGCHLD for its end.
 * That child is the call's to wait for; when somebody else has done so, or SIGCHLD
 * is ignored, its end is known all the same since Linux 6.15, before that the
 * call gives CR_SYSTEM.  No other signal and no descriptor of the caller is
 * touched.  Calls may go on in several threads at once.
 *
 * Set a struct to zero, then its .size to sizeof, then what is wanted: later
 * versions add members at the end.
 */
#ifndef CR_CHECKPOINT_H
#define CR_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "err.h"

/* What becomes of the tree once the image is complete. */
enum cr_then {
	CR_THEN_KILL,
	CR_THEN_RUN,
	CR_THEN_STOP,
};

struct cr_checkpoint_options {
	size_t size;		/* of this struct */
	pid_t pid;		/* the root of the tree */
	const char *images_dir;	/* made when it is not there */
	enum cr_then then;
	bool shell_job;
	bool file_locks;
	bool embed_files;
	unsigned int timeout;	/* seconds to freeze it in; 0: as cr-checkpoint */
	const char *stats;	/* file for times and sizes, or NULL */
	const char *const *more;	/* more options of cr-checkpoint(1), then NULL; or NULL */
	const char *bin_dir;	/* or NULL */
	void (*message)(void *ctx, const char *line);	/* or NULL */
	void *ctx;
	bool drop_inotify_events;	/* that wait to be read; else they are refused */
};

struct cr_restore_options {
	size_t size;		/* of this struct */
	const char *images_dir;
	bool detached;		/* the root is nobody's child; else it is the caller's, which
				 * has to wait for it */
	bool new_pid_ns;	/* a copy in a pid namespace of its own; detached only */
	bool leave_stopped;
	bool shell_job;
	bool accept_changed_files;
	const char *root;	/* directory that the files are in, or NULL */
	const char *const *more;	/* more options of cr-restore(1), then NULL; or NULL */
	const char *bin_dir;	/* or NULL */
	void (*message)(void *ctx, const char *line);	/* or NULL */
	void *ctx;
};

/*
 * Write an image of the tree.  With CR_THEN_KILL a root that is the caller's
 * child is a zombie afterwards, and the caller's to wait for.
 */
int cr_checkpoint(const struct cr_checkpoint_options *o, struct cr_err *err) CR_MUST;

/* Restore the tree; *root (may be NULL) is the pid of its root, as the caller sees it. */
int cr_restore(const struct cr_restore_options *o, pid_t *root, struct cr_err *err) CR_MUST;

#endif

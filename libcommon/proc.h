/* SPDX-License-Identifier: MIT */
/*
 * Reading of /proc.  Texts are read whole into one allocation, NUL-terminated.
 * Errors: CR_SYSTEM with errno kept in err->errnum (ESRCH or ENOENT: gone).
 */
#ifndef CR_PROC_H
#define CR_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

/* /proc/PID/FILE; *text is malloc'ed, *len (may be NULL) its length. */
int cr_proc_read(pid_t pid, const char *file, char **text, size_t *len, struct cr_err *err) CR_MUST;

/* The target of the symbolic link /proc/PID/FILE in @buf, always terminated. */
int cr_proc_link(pid_t pid, const char *file, char *buf, size_t size, struct cr_err *err) CR_MUST;

/* In place: mountinfo and its like write a blank as \040. */
void cr_proc_unescape(char *s);

/* Fields of /proc/PID/stat, by their numbers in proc(5); fields 1 to 52. */
struct cr_proc_stat {
	char comm[64];
	char state;		/* field 3 */
	uint64_t field[53];	/* field[n]; [2] and [3] are not used */
};

/* Numbers that more than one of us asks for. */
enum { CR_STAT_PPID = 4, CR_STAT_THREADS = 20, CR_STAT_EXIT_CODE = 52 };

int cr_proc_stat(pid_t pid, struct cr_proc_stat *st, struct cr_err *err) CR_MUST;

/* It has no files and no memory any more, or will soon have none: it is a zombie,
 * exits, or has a SIGKILL that it will see when it runs next. */
bool cr_proc_is_dying(const struct cr_proc_stat *st);

/* Is a thread dead, or dying?  What /proc says of it then is not what it had. */
bool cr_proc_ended(pid_t tid);

/* Field @name ("CapEff") of a status text; NULL when it has none. */
const char *cr_proc_field(const char *status, const char *name);

/* pidfd_open(2), of a thread as well (PIDFD_THREAD, 6.9). */
int cr_proc_pidfd(pid_t id, struct cr_err *err) CR_MUST;

/* Sorted lists of thread ids of a process, and of the children of all its
 * threads.  *list is malloc'ed. */
int cr_proc_tids(pid_t pid, pid_t **list, unsigned int *count, struct cr_err *err) CR_MUST;
int cr_proc_children(pid_t pid, pid_t **list, unsigned int *count, struct cr_err *err) CR_MUST;

/* vm.max_map_count: of one address space; UINT64_MAX where it is not known. */
uint64_t cr_proc_max_mappings(void);

#endif

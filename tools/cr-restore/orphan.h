/* SPDX-License-Identifier: MIT */
/*
 * Ptys whose master was outside of the tree (--orphan-pts-master): each gets a
 * new master, which is passed to who listens on a socket of AF_UNIX, as a
 * descriptor (SCM_RIGHTS) with the line "/dev/pts/OLD /dev/pts/NEW".
 */
#ifndef ORPHAN_H
#define ORPHAN_H

#include "restore.h"

/* Name with refuse() what is missing. */
void orphan_check(struct restore *r, const Cr__Terminal *m);

/* The master of a new pty, whose number @m, a copy, has then. */
int orphan_open(Cr__Terminal *m, struct cr_err *err) CR_MUST;
/* Keep it, and the number. */
int orphan_keep(struct restore *r, const Cr__Terminal *m, int master, struct cr_err *err) CR_MUST;
/* Of its slave now; of any other pty the one in the image. */
unsigned int orphan_number(const Cr__Terminal *m);

/* When the whole tree is there: pass all of them on. */
int orphans_send(struct restore *r, struct cr_err *err) CR_MUST;

#endif

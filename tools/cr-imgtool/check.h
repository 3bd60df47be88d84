/* SPDX-License-Identifier: MIT */
/* The parts of a check; each looks at one record and names its faults. */
#ifndef CHECK_H
#define CHECK_H

#include "faults.h"

/* First pass. */
int collect_record(struct check *c, const struct cr_record *rec, const void *msg,
		   struct cr_err *err) CR_MUST;
/* Between the passes: ids that are there twice, threads that are missing. */
void check_ids(struct check *c);

/* Second pass. */
void check_refs(struct check *c, const struct cr_record *rec, const void *msg);
void check_shape(struct check *c, const struct cr_record *rec, const void *msg);
int check_bulk(struct check *c, const struct cr_record *rec, const void *msg,
	       struct cr_err *err) CR_MUST;

#endif

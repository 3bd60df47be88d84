/* SPDX-License-Identifier: MIT */
/* cr-imgtool commit: what came for the tree while it was frozen. */
#ifndef LATE_H
#define LATE_H

#include "session.h"
#include "stream.h"

/* Add LateSignals records to the manifest. */
int late_put(struct cr_session *s, struct cr_writer *out, struct cr_err *err) CR_MUST;

#endif

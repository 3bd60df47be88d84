/* SPDX-License-Identifier: MIT */
#include "late.h"

#include <stdlib.h>

#include "clean.h"
#include "late-signals.h"
#include "schemas.h"

/* One record for the entries of a queue, which stand together. */
static int put_queue(struct cr_writer *out, struct cr_late_signal *list, size_t n,
		     struct cr_err *err)
{
	cr_auto_free ProtobufCBinaryData *signals = calloc(n, sizeof(*signals));
	Cr__LateSignals m = CR__LATE_SIGNALS__INIT;

	if (!signals)
		return cr_err_sys(err, "out of memory");
	m.pid = (uint32_t)list->pid;
	m.tid = (uint32_t)list->tid;
	m.signals = signals;
	for (size_t i = 0; i < n; i++) {
		if (cr_is_timer_signal(&list[i].info))
			continue;
		signals[m.n_signals].data = (uint8_t *)&list[i].info;
		signals[m.n_signals++].len = sizeof(list[i].info);
	}
	return m.n_signals ? cr_writer_put(out, CR_KIND_LATE_SIGNALS, &m, err) : 0;
}

int late_put(struct cr_session *s, struct cr_writer *out, struct cr_err *err)
{
	cr_auto_free struct cr_late_signal *list = NULL;
	size_t count, from = 0;

	if (cr_session_late_signals(s, 0, &list, &count, err) < 0)
		return -1;
	for (size_t i = 1; i <= count; i++) {
		if (i < count && list[i].pid == list[from].pid && list[i].tid == list[from].tid)
			continue;
		if (put_queue(out, list + from, i - from, err) < 0)
			return -1;
		from = i;
	}
	return 0;
}

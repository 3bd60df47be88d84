/* SPDX-License-Identifier: MIT */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "msg.h"

const char *cr_prog = "cr";
int cr_verbose;

static void vmsg(const char *fmt, va_list ap)
{
	char line[700];
	int n = snprintf(line, sizeof(line), "%s: ", cr_prog);

	if (n < 0 || (size_t)n >= sizeof(line))
		return;
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	/* One write, so that lines of several stages never mix. */
	fprintf(stderr, "%s\n", line);
}

void cr_msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
}

void cr_debug(const char *fmt, ...)
{
	va_list ap;

	if (!cr_verbose)
		return;
	va_start(ap, fmt);
	vmsg(fmt, ap);
	va_end(ap);
}

int cr_err_set(struct cr_err *err, enum cr_class class, const char *fmt, ...)
{
	va_list ap;

	err->class = class;
	err->errnum = 0;
	err->told = false;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return -1;
}

int cr_err_sys(struct cr_err *err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	size_t n;

	err->class = CR_SYSTEM;
	err->errnum = saved;
	err->told = false;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", strerror(saved));
	return -1;
}

int cr_err_wrap(struct cr_err *err, const char *fmt, ...)
{
	char inner[sizeof(err->msg)];
	va_list ap;
	size_t n;

	memcpy(inner, err->msg, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	/* Who is deeper may have said so already. */
	if (strncmp(inner, err->msg, n) == 0 && inner[n] == ':')
		memcpy(err->msg, inner, sizeof(inner));
	else
		snprintf(err->msg + n, sizeof(err->msg) - n, ": %.*s", (int)(sizeof(inner) - n - 3),
			 inner);
	return -1;
}

int cr_err_report(const struct cr_err *err)
{
	if (err->told)
		cr_debug("%s", err->msg);
	else
		cr_msg("%s", err->msg);
	return err->class == CR_OK ? CR_SYSTEM : (int)err->class;
}

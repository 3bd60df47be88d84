/* SPDX-License-Identifier: MIT */
#include "xattrs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "clean.h"

#define XATTRS_MAX (64u << 10)	/* of all names, and of a value: XATTR_SIZE_MAX */

static int add(const char *link, const char *name, Cr__Xattr ***list, size_t *count,
	       struct cr_err *err)
{
	Cr__Xattr **grown = realloc(*list, (*count + 1) * sizeof(*grown));
	Cr__Xattr *x = malloc(sizeof(*x));
	ssize_t n;

	if (grown)
		*list = grown;
	if (!grown || !x) {
		free(x);
		return cr_err_sys(err, "out of memory");
	}
	cr__xattr__init(x);
	grown[(*count)++] = x;
	x->name = strdup(name);
	x->value.data = malloc(XATTRS_MAX);
	if (!x->name || !x->value.data)
		return cr_err_sys(err, "out of memory");
	n = getxattr(link, name, x->value.data, XATTRS_MAX);
	if (n < 0)
		return cr_err_sys(err, "unable to read the attribute %s", name);
	x->value.len = (size_t)n;
	return 0;
}

int cr_xattrs_read(const char *link, Cr__Xattr ***list, size_t *count, struct cr_err *err)
{
	cr_auto_free char *names = NULL;
	ssize_t n = listxattr(link, NULL, 0);

	/* None, or a file system that has none. */
	if (n <= 0)
		return 0;
	names = malloc(XATTRS_MAX);
	if (!names)
		return cr_err_sys(err, "out of memory");
	n = listxattr(link, names, XATTRS_MAX);
	if (n < 0)
		return cr_err_sys(err, "unable to list its attributes");
	for (const char *p = names; p < names + n; p += strlen(p) + 1)
		if (add(link, p, list, count, err) < 0)
			return -1;
	return 0;
}

void cr_xattrs_free(Cr__Xattr **list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		Cr__Xattr none = CR__XATTR__INIT;

		if (list[i]->name != none.name)
			free(list[i]->name);
		free(list[i]->value.data);
		free(list[i]);
	}
	free(list);
}

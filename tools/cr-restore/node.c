/* SPDX-License-Identifier: MIT */
#include "node.h"

#include <sys/stat.h>
#include <unistd.h>

int node_set(int fd, const Cr__Node *node, const char *what, struct cr_err *err)
{
	struct stat sb;

	if (!node)
		return 0;
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "fstat");
	if ((sb.st_uid != node->uid || sb.st_gid != node->gid) &&
	    fchown(fd, node->uid, node->gid) < 0)
		return cr_err_sys(err, "unable to give %s to user %u, group %u", what, node->uid,
				  node->gid);
	/* A change of the owner may take bits of the mode away. */
	if (fstat(fd, &sb) < 0 ||
	    ((sb.st_mode & 07777) != (node->mode & 07777) && fchmod(fd, node->mode & 07777) < 0))
		return cr_err_sys(err, "unable to set the mode of %s", what);
	return 0;
}

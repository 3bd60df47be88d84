/* SPDX-License-Identifier: MIT */
#include "tun-offload.h"

#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clean.h"

#ifndef TUN_F_USO4 /* 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define MAX_FEATURES 1024u

static const struct {
	const char *name;
	uint32_t flags;
} features[] = {
	{ "tx-checksum-ip-generic", TUN_F_CSUM },
	{ "tx-tcp-segmentation", TUN_F_TSO4 },
	{ "tx-tcp6-segmentation", TUN_F_TSO6 },
	{ "tx-tcp-ecn-segmentation", TUN_F_TSO_ECN },
	{ "tx-udp-segmentation", TUN_F_USO4 | TUN_F_USO6 },
};

static int ask(int fd, const char *name, void *data, struct cr_err *err)
{
	struct ifreq ifr = { .ifr_data = data };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? cr_err_sys(err, "SIOCETHTOOL") : 0;
}

static int count_features(int fd, const char *name, uint32_t *n, struct cr_err *err)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t n;
	} q = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };

	if (ask(fd, name, &q, err) < 0)
		return -1;
	*n = q.info.sset_mask ? q.n : 0;
	return *n && *n < MAX_FEATURES ? 0 :
					 cr_err_set(err, CR_SYSTEM, "%u features of ethtool", *n);
}

int tun_offload_look(const char *name, uint32_t *flags, struct cr_err *err)
{
	cr_auto_free struct ethtool_gstrings *names =
		calloc(1, sizeof(*names) + MAX_FEATURES * ETH_GSTRING_LEN);
	cr_auto_free struct ethtool_gfeatures *now =
		calloc(1, sizeof(*now) + MAX_FEATURES / 32 * sizeof(now->features[0]));
	cr_auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t n;

	if (!names || !now)
		return cr_err_sys(err, "out of memory");
	if (fd < 0)
		return cr_err_sys(err, "socket");
	if (count_features(fd, name, &n, err) < 0)
		return -1;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = n;
	now->cmd = ETHTOOL_GFEATURES;
	now->size = (n + 31) / 32;
	if (ask(fd, name, names, err) < 0 || ask(fd, name, now, err) < 0)
		return -1;
	*flags = 0;
	for (uint32_t i = 0; i < n; i++)
		for (size_t k = 0; k < sizeof(features) / sizeof(features[0]); k++)
			if (now->features[i / 32].active & 1u << i % 32 &&
			    strncmp((char *)names->data + i * ETH_GSTRING_LEN, features[k].name,
				    ETH_GSTRING_LEN) == 0)
				*flags |= features[k].flags;
	return 0;
}

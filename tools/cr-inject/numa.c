/* SPDX-License-Identifier: MIT */
#include "numa.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ask.h"
#include "clean.h"
#include "maps.h"
#include "proc.h"

#define AT_ONCE 128u
#define MPOL_F_ADDR_NR 2u	/* MPOL_F_ADDR of <linux/mempolicy.h> */

struct answer {
	uint32_t mode;
	uint32_t pad;
	uint8_t nodes[ASK_NODES / 8];
};

/* More than one node: "0-1", "0,2". */
static bool has_nodes(void)
{
	cr_auto_free char *text = NULL;
	struct cr_err ignored;

	return cr_proc_read(getpid(), "../../sys/devices/system/node/online", &text, NULL,
			    &ignored) == 0 &&
	       strpbrk(text, ",-");
}

static int add(struct policies *p, const struct cr_map *m, const struct answer *a,
	       struct cr_err *err)
{
	Cr__VmaPolicy **grown = realloc(p->list, (p->count + 1) * sizeof(*grown));
	Cr__VmaPolicy *v = calloc(1, sizeof(*v));
	Cr__MemPolicy *policy = calloc(1, sizeof(*policy));
	uint8_t *nodes = malloc(sizeof(a->nodes));
	size_t len = sizeof(a->nodes);

	if (grown)
		p->list = grown;
	if (!grown || !v || !policy || !nodes) {
		free(v);
		free(policy);
		free(nodes);
		return cr_err_sys(err, "out of memory");
	}
	while (len && !a->nodes[len - 1])
		len--;
	memcpy(nodes, a->nodes, sizeof(a->nodes));
	cr__vma_policy__init(v);
	cr__mem_policy__init(policy);
	policy->mode = a->mode;
	policy->nodes.data = nodes;
	policy->nodes.len = len;
	v->address = m->start;
	v->length = m->end - m->start;
	v->policy = policy;
	p->list[p->count++] = v;
	return 0;
}

static int ask_some(struct cr_session *s, pid_t pid, const struct cr_map *maps, uint32_t n,
		    struct policies *p, struct cr_err *err)
{
	struct answer answers[AT_ONCE];
	struct cr_op ops[AT_ONCE];
	uint32_t done;

	memset(answers, 0, sizeof(answers));
	for (uint32_t i = 0; i < n; i++)
		ops[i] = (struct cr_op){
			.type = CR_OP_SYSCALL,
			.expect = CR_EXPECT_ANY,
			.nr = SYS_get_mempolicy,
			.in_data = 3,
			.arg = { (int64_t)(i * sizeof(answers[0])),
				 (int64_t)(i * sizeof(answers[0]) + offsetof(struct answer, nodes)),
				 ASK_NODES + 1, (int64_t)maps[i].start, MPOL_F_ADDR_NR },
		};
	if (cr_session_run(s, pid, ops, n, answers, n * sizeof(answers[0]), &done, err) < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		if (ops[i].result == 0 && answers[i].mode && add(p, &maps[i], &answers[i], err) < 0)
			return -1;
	return 0;
}

int numa_ask(struct cr_session *s, pid_t pid, struct policies *p, struct cr_err *err)
{
	static int nodes;
	struct cr_maps maps;
	int ret = 0;

	if (!nodes)
		nodes = has_nodes() ? 1 : -1;
	if (nodes < 0)
		return 0;
	if (cr_maps_read(pid, &maps, err) < 0)
		return -1;
	for (unsigned int i = 0; ret == 0 && i < maps.count; i += AT_ONCE)
		ret = ask_some(s, pid, maps.list + i,
			       maps.count - i < AT_ONCE ? maps.count - i : AT_ONCE, p, err);
	cr_maps_free(&maps);
	return ret;
}

void numa_free(struct policies *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->list[i]->policy->nodes.data);
		free(p->list[i]->policy);
		free(p->list[i]);
	}
	free(p->list);
}

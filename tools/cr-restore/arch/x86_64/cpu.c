/* SPDX-License-Identifier: MIT */
#include "cpu.h"

#include <stdio.h>
#include <string.h>

#include "clean.h"
#include "cpu-features.h"
#include "enter.h"

/* State components, Intel SDM volume 1, 13.1. */
static const char *const components[] = {
	"x87",
	"SSE",
	"AVX",
	"MPX bounds",
	"MPX config",
	"AVX-512 masks",
	"AVX-512 upper halves",
	"AVX-512 registers",
	"PT",
	"PKRU",
	"PASID",
	"CET user",
	"CET supervisor",
	"HDC",
	"UINTR",
	"LBR",
	"HWP",
	"AMX config",
	"AMX tiles",
	"APX",
};

/* Flags of /proc/cpuinfo that name instructions which a program may use. */
static const char *const instructions[] = {
	"fpu",	       "cx8",		"cmov",
	"mmx",	       "fxsr",		"sse",
	"sse2",	       "rdtscp",	"lm",
	"pni",	       "pclmulqdq",	"ssse3",
	"fma",	       "cx16",		"sse4_1",
	"sse4_2",      "movbe",		"popcnt",
	"aes",	       "xsave",		"avx",
	"f16c",	       "rdrand",	"lahf_lm",
	"abm",	       "sse4a",		"3dnowprefetch",
	"xop",	       "fma4",		"tbm",
	"fsgsbase",    "bmi1",		"hle",
	"avx2",	       "bmi2",		"erms",
	"rtm",	       "avx512f",	"avx512dq",
	"rdseed",      "adx",		"clflushopt",
	"clwb",	       "avx512cd",	"sha_ni",
	"avx512bw",    "avx512vl",	"xsaveopt",
	"xsavec",      "xgetbv1",	"avx_vnni",
	"avx512_bf16", "clzero",	"avx512vbmi",
	"umip",	       "waitpkg",	"avx512_vbmi2",
	"gfni",	       "vaes",		"vpclmulqdq",
	"avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq",
	"rdpid",       "cldemote",	"movdiri",
	"movdir64b",   "fsrm",		"avx512_vp2intersect",
	"serialize",   "amx_bf16",	"avx512_fp16",
	"amx_tile",    "amx_int8",
};

static bool has(char *const *flags, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(flags[i], name) == 0)
			return true;
	return false;
}

static void check_state(struct restore *r, uint64_t own)
{
	uint64_t used = 0;

	for (unsigned int i = 0; i < r->img.n_tasks; i++)
		for (unsigned int n = 0; n < r->img.tasks[i].n_threads; n++) {
			const Cr__Thread *t = r->img.tasks[i].threads[n].thread;

			used |= xstate_features(t->xstate.data, t->xstate.len);
		}
	for (unsigned int i = 0; i < 64; i++) {
		if (!(used & ~own & 1ull << i))
			continue;
		if (i < sizeof(components) / sizeof(components[0]))
			refuse(r, 0, "CPU", "it has no %s state, which the image uses",
			       components[i]);
		else
			refuse(r, 0, "CPU", "it has no state component %u, which the image uses",
			       i);
	}
}

int cpu_check(struct restore *r, struct cr_err *err)
{
	const Cr__Header *h = r->img.header;
	cr_auto_free char *text = NULL;
	cr_auto_free char **flags = NULL;
	uint64_t xfeatures;
	size_t count;

	if (cr_cpu_features(&xfeatures, &text, &flags, &count, err) < 0)
		return -1;
	check_state(r, xfeatures);
	for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++)
		if (has(h->cpu_flags, h->n_cpu_flags, instructions[i]) &&
		    !has(flags, count, instructions[i]))
			refuse(r, 0, "CPU", "it has no %s, which the image's had", instructions[i]);
	return 0;
}

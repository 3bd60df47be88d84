/* SPDX-License-Identifier: MIT */
#include "cpu.h"

#include <inttypes.h>
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
	"fpu",
	"cx8",
	"cmov",
	"mmx",
	"fxsr",
	"sse",
	"sse2",
	"rdtscp",
	"lm",
	"pni",
	"pclmulqdq",
	"ssse3",
	"fma",
	"cx16",
	"sse4_1",
	"sse4_2",
	"movbe",
	"popcnt",
	"aes",
	"xsave",
	"avx",
	"f16c",
	"rdrand",
	"lahf_lm",
	"abm",
	"sse4a",
	"3dnowprefetch",
	"xop",
	"fma4",
	"tbm",
	"fsgsbase",
	"bmi1",
	"hle",
	"avx2",
	"bmi2",
	"erms",
	"rtm",
	"avx512f",
	"avx512dq",
	"rdseed",
	"adx",
	"clflushopt",
	"clwb",
	"avx512cd",
	"sha_ni",
	"avx512bw",
	"avx512vl",
	"xsaveopt",
	"xsavec",
	"xgetbv1",
	"avx_vnni",
	"avx512_bf16",
	"clzero",
	"avx512vbmi",
	"umip",
	"waitpkg",
	"avx512_vbmi2",
	"gfni",
	"vaes",
	"vpclmulqdq",
	"avx512_vnni",
	"avx512_bitalg",
	"avx512_vpopcntdq",
	"rdpid",
	"cldemote",
	"movdiri",
	"movdir64b",
	"fsrm",
	"avx512_vp2intersect",
	"serialize",
	"amx_bf16",
	"avx512_fp16",
	"amx_tile",
	"amx_int8",
	"amx_fp16",
	"amx_complex",
	"avx512ifma",
	"avx512er",
	"avx512pf",
	"avx512_4vnniw",
	"avx512_4fmaps",
	"avx_ifma",
	"avx_vnni_int8",
	"avx_vnni_int16",
	"avx10",
	"avx_ne_convert",
	"cmpccxadd",
	"raoint",
	"sha512",
	"sm3",
	"sm4",
	"apx",
	"clflush",
	"mmxext",
	"3dnow",
	"3dnowext",
	"nopl",
	"lwp",
	"mwaitx",
	"rdpru",
	"wbnoinvd",
	"ptwrite",
	"enqcmd",
	"tsc",
};

/* What --cpu-cap asks for. */
enum cap {
	CAP_FPU = 1,	/* the state components that threads use */
	CAP_INS = 2,	/* the instructions that programs may use */
	CAP_CPU = 4,	/* all that the other CPU had */
};

static const struct {
	const char *word;
	unsigned int caps;
} cap_words[] = {
	{ "none", 0 },
	{ "fpu", CAP_FPU },
	{ "ins", CAP_INS },
	{ "cpu", CAP_CPU },
	{ "all", CAP_FPU | CAP_INS | CAP_CPU },
};

int cpu_parse_caps(const char *words, unsigned int *caps)
{
	const size_t n = sizeof(cap_words) / sizeof(cap_words[0]);

	*caps = words ? 0 : CAP_FPU | CAP_INS;
	while (words) {
		size_t len = strcspn(words, ","), i = 0;

		while (i < n && (strlen(cap_words[i].word) != len ||
				 strncmp(words, cap_words[i].word, len) != 0))
			i++;
		if (i == n)
			return -1;
		*caps |= cap_words[i].caps;
		words = words[len] ? words + len + 1 : NULL;
	}
	return 0;
}

static bool has(char *const *flags, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(flags[i], name) == 0)
			return true;
	return false;
}

static void refuse_component(struct restore *r, unsigned int i, const char *why)
{
	if (i < sizeof(components) / sizeof(components[0]))
		refuse(r, 0, "CPU", "it has no %s state, which the image%s", components[i], why);
	else
		refuse(r, 0, "CPU", "it has no state component %u, which the image%s", i, why);
}

#define PKRU 9
#define TILES 18

/* Every thread has rights to keys; those of a thread that never set any are
 * not worth anything without keys. */
static uint64_t features_of(const ProtobufCBinaryData *x)
{
	uint64_t used = xstate_features(x->data, x->len);

	if (used & 1ull << PKRU && xstate_default_rights(x->data, x->len))
		used &= ~(1ull << PKRU);
	return used;
}

/* A right that a process has asked for, ARCH_REQ_XCOMP_PERM. */
static void check_tiles(struct restore *r, uint64_t own)
{
	if (!(r->opts.cpu_caps & CAP_FPU) || own & 1ull << TILES)
		return;
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		if (t->inside && t->inside->xstate_permitted & 1ull << TILES)
			refuse(r, t->task->pid, "CPU",
			       "it has no AMX tiles, which the process "
			       "has asked for");
	}
}

#define LOW_HALF (1ull << 47)

/* Mappings that need page tables of five levels. */
static void check_addresses(struct restore *r, char *const *flags, size_t count)
{
	if (has(flags, count, "la57"))
		return;
	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];
		const Cr__Vma *last = t->mm && t->mm->n_vmas ? t->mm->vmas[t->mm->n_vmas - 1] :
							       NULL;

		/* The kernel's own page of system calls is above all. */
		if (last && last->kind == CR__VMA_KIND__VSYSCALL)
			last = t->mm->n_vmas > 1 ? t->mm->vmas[t->mm->n_vmas - 2] : NULL;
		if (last && last->end > LOW_HALF)
			refuse(r, t->task->pid, "CPU",
			       "it has no la57, which the mapping at %" PRIx64 " needs",
			       last->start);
	}
}

static void check_state(struct restore *r, uint64_t own)
{
	uint64_t used = 0, had = r->opts.cpu_caps & CAP_CPU ? r->img.header->xfeatures : 0;

	for (unsigned int i = 0; r->opts.cpu_caps & CAP_FPU && i < r->img.n_tasks; i++)
		for (unsigned int n = 0; n < r->img.tasks[i].n_threads; n++) {
			const Cr__Thread *t = r->img.tasks[i].threads[n].thread;

			used |= features_of(&t->xstate);
		}
	for (unsigned int i = 0; i < 64; i++) {
		if (used & ~own & 1ull << i)
			refuse_component(r, i, " uses");
		else if (had & ~own & 1ull << i)
			refuse_component(r, i, "'s had");
	}
}

static bool is_instruction(const char *flag)
{
	for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++)
		if (strcmp(flag, instructions[i]) == 0)
			return true;
	return false;
}

int cpu_check(struct restore *r, struct cr_err *err)
{
	const Cr__Header *h = r->img.header;
	cr_auto_free char *text = NULL;
	cr_auto_free char **flags = NULL;
	unsigned int caps = r->opts.cpu_caps;
	uint64_t xfeatures;
	size_t count;

	if (cr_cpu_features(&xfeatures, &text, &flags, &count, err) < 0)
		return -1;
	check_state(r, xfeatures);
	check_tiles(r, xfeatures);
	check_addresses(r, flags, count);
	for (size_t i = 0; i < h->n_cpu_flags; i++)
		if ((caps & CAP_CPU || (caps & CAP_INS && is_instruction(h->cpu_flags[i]))) &&
		    !has(flags, count, h->cpu_flags[i]))
			refuse(r, 0, "CPU", "it has no %s, which the image's had", h->cpu_flags[i]);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <string.h>
#include <sys/user.h>

#include "show-names.h"

/* clang-format off */
#define REG(r) { #r, offsetof(struct user_regs_struct, r) }

static const struct {
	const char *name;
	size_t offset;
} regs[] = {
	REG(rip), REG(rsp), REG(eflags), REG(orig_rax), REG(rax), REG(rbx), REG(rcx), REG(rdx),
	REG(rsi), REG(rdi), REG(rbp), REG(r8), REG(r9), REG(r10), REG(r11), REG(r12),
	REG(r13), REG(r14), REG(r15), REG(cs), REG(ss), REG(ds), REG(es), REG(fs), REG(gs),
	REG(fs_base), REG(gs_base),
};
/* clang-format on */

size_t cr_show_regs(const uint8_t *data, size_t len, struct cr_show_part *parts)
{
	const size_t n = sizeof(regs) / sizeof(regs[0]);

	if (len != sizeof(struct user_regs_struct))
		return 0;
	for (size_t i = 0; i < n; i++) {
		memset(&parts[i], 0, sizeof(parts[i]));
		parts[i].name = regs[i].name;
		memcpy(&parts[i].value, data + regs[i].offset, sizeof(parts[i].value));
		parts[i].hex = true;
	}
	return n;
}

const char *cr_show_xfeature(unsigned int bit)
{
	/* clang-format off */
	static const char *const names[] = {
		"x87", "SSE", "AVX", "BNDREGS", "BNDCSR", "opmask", "ZMM_Hi256", "Hi16_ZMM",
		"PT", "PKRU", "PASID", "CET_U", "CET_S", NULL, NULL, NULL, NULL, "XTILECFG",
		"XTILEDATA", "APX",
	};
	/* clang-format on */

	return bit < sizeof(names) / sizeof(names[0]) ? names[bit] : NULL;
}

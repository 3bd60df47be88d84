/* SPDX-License-Identifier: MIT */
/*
 * Properties of a mapping in Vma.vma_flags (schemas/mm.proto), named for the
 * two-letter flags of smaps (VmFlags, since 3.8).
 */
#ifndef CR_VMA_H
#define CR_VMA_H

enum cr_vma_flag {
	CR_VMA_GROWSDOWN = 1 << 0,	/* gd */
	CR_VMA_LOCKED = 1 << 1,		/* lo */
	CR_VMA_LOCKONFAULT = 1 << 2,	/* lf: with CR_VMA_LOCKED */
	CR_VMA_DONTFORK = 1 << 3,	/* dc */
	CR_VMA_DONTDUMP = 1 << 4,	/* dd */
	CR_VMA_WIPEONFORK = 1 << 5,	/* wf */
	CR_VMA_HUGEPAGE = 1 << 6,	/* hg */
	CR_VMA_NOHUGEPAGE = 1 << 7,	/* nh */
	CR_VMA_MERGEABLE = 1 << 8,	/* mg */
	CR_VMA_SEQ_READ = 1 << 9,	/* sr */
	CR_VMA_RAND_READ = 1 << 10,	/* rr */
	CR_VMA_NORESERVE = 1 << 11,	/* nr */
	CR_VMA_MAYWRITE = 1 << 12,	/* mw: of a shared file mapping: opened for writing */
	CR_VMA_DROPPABLE = 1 << 13,	/* dp (6.11) */
	CR_VMA_SEALED = 1 << 14,	/* sl: mseal(2) (6.10) */
};

#endif

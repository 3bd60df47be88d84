/* SPDX-License-Identifier: MIT */
/* Operations of prctl(2) that the C library's headers are too old for. */
#ifndef CR_PRCTL_NR_H
#define CR_PRCTL_NR_H

#define CR_PR_SET_MDWE 65	/* 6.3 */
#define CR_PR_GET_MDWE 66
#define CR_PR_SET_MEMORY_MERGE 67 /* 6.4 */
#define CR_PR_GET_MEMORY_MERGE 68
#define CR_PR_TIMER_IDS 77	/* PR_TIMER_CREATE_RESTORE_IDS, 6.15 */
#define CR_PR_TIMER_IDS_OFF 0
#define CR_PR_TIMER_IDS_ON 1
#define CR_PR_TIMER_IDS_GET 2
#define CR_PR_FUTEX_HASH 78	/* 6.16 */
#define CR_PR_FUTEX_HASH_SET_SLOTS 1
#define CR_PR_FUTEX_HASH_GET_SLOTS 2

#endif

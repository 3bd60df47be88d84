/* SPDX-License-Identifier: MIT */
#include <asm/unistd.h>

	.text
	.globl	cr_agent_clone
	.hidden	cr_agent_clone
	.type	cr_agent_clone, @function
/* long cr_agent_clone(args, size, thread_main, arg) */
cr_agent_clone:
	mov	%rdx, %r8	/* kept by the system call, in the child as well */
	mov	%rcx, %r9
	mov	$__NR_clone3, %eax
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:	xor	%ebp, %ebp
	mov	%r9, %rdi
	call	*%r8
	ud2
	.section .note.GNU-stack,"",@progbits

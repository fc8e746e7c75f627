// SPDX-License-Identifier: GPL-2.0
/*
 * A function whose first instruction is the head of its loop: inside, a thread comes by the entry
 * again and again, with registers that are no arguments. A trap or a jump there would be wrong for it.
 */
#include <stddef.h>
#include "zoo.h"

int outer(unsigned int loops);
int inner(void);

asm("	.text\n"
	"	.globl	outer\n"
	"	.type	outer, @function\n"
	"outer:\n"
	"	.cfi_startproc\n"
	"	pause\n"
	"	nopw	0x0(%rax,%rax,1)\n"
	"	decl	%edi\n"
	"	jnz	outer\n"
	"	subq	$8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call	inner\n"
	"	addq	$8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	orl	$0x10, %eax\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size	outer, .-outer\n");

ZOO_FUNCTION int inner(void)
{
	return ZOO_OLD_INNER;
}

static void *thread(void *argument)
{
	while (!zoo_stopping()) {
		zoo_count(outer(100000));
		zoo_sleep(100);
	}
	return argument;
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	zoo_thread(thread, NULL);
	zoo_thread(thread, NULL);
	zoo_ready();
	zoo_wait();
	zoo_join();
	return 0;
}

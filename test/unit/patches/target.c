// SPDX-License-Identifier: GPL-2.0
/*
 * A program to be patched: it reads lines "NAME NUMBER", calls the function of that name, and says what
 * it returned. Each function stands for one kind of reference that its new version has.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "target.h"

#define FUNCTION __attribute__((noipa))

int counter = 1000;
static volatile int hidden = 2000;
__thread int per_thread = 3000;
static __thread int hidden_per_thread = 4000;
const char *const words[] = { "zero", "one", "two" };
int (*pointer)(int);

FUNCTION static int helper(int n)
{
	return n + hidden;
}

FUNCTION int plain(int n)
{
	return n + 1 + counter - counter;
}

FUNCTION int data(int n)
{
	return helper(n) + counter + per_thread + hidden_per_thread + (int)strlen(words[0]);
}

FUNCTION static int same(int n)
{
	return n * 10 + hidden - hidden;
}

FUNCTION int imports(int n)
{
	char text[32];

	return snprintf(text, sizeof(text), "%d", n);
}

FUNCTION int address(int n)
{
	return pointer == address ? n + 1 : n - 1;
}

/* Eleven cases, so that the new one has a table. */
FUNCTION int choose(int n)
{
	return n > 10 ? -1 : n + hidden - hidden;
}

FUNCTION int recursive(int n)
{
	return n > 1 ? recursive(n - 1) + recursive(n - 2) : n + counter - counter;
}

/* libc has a function of this name, too. */
static int own_ffs(int n) __asm__("ffs");
FUNCTION static int own_ffs(int n)
{
	return n + 5000;
}

FUNCTION int uses_static(int n)
{
	return own_ffs(n);
}

/* The compiler puts the end of it apart, as split.cold. */
__attribute__((cold, noipa)) static void complain(int n)
{
	fprintf(stderr, "%d\n", n);
}

FUNCTION int split(int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (hidden < i) {
			complain(n);
			hidden = helper(n) + i;
		}
	}
	return n + hidden - hidden;
}

/* As just-in-time compilers do with their code. */
FUNCTION int writable(int n)
{
	uintptr_t page = (uintptr_t)plain & -4096UL;

	return n + mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* From another library. */
FUNCTION int number(int n)
{
	return (int)a64l("/0") + n;
}

/* Its loop is at its entry: a thread that goes round has not been called anew. */
int looped(int n);
__asm__(".pushsection .text\n"
	".globl	looped\n"
	".type	looped, @function\n"
	"looped:\n"
	"	mov	%edi, %eax\n"
	"	dec	%edi\n"
	"	cmp	$5, %edi\n"
	"	jg	looped\n"
	"	ret\n"
	".size	looped, . - looped\n"
	/* A tail call. */
	".globl	tail\n"
	".type	tail, @function\n"
	"tail:\n"
	"	add	$3, %edi\n"
	"	jmp	recursive\n"
	".size	tail, . - tail\n"
	/* The same through the table of addresses, as of libraries. */
	".globl	far_tail\n"
	".type	far_tail, @function\n"
	"far_tail:\n"
	"	add	$3, %edi\n"
	"	jmp	recursive@plt\n"
	".size	far_tail, . - far_tail\n"
	/* And by a pointer. */
	".globl	pointer_tail\n"
	".type	pointer_tail, @function\n"
	"pointer_tail:\n"
	"	mov	pointer@gotpcrel(%rip), %rax\n"
	"	jmp	*(%rax)\n"
	".size	pointer_tail, . - pointer_tail\n"
	".globl	slot_tail\n"
	".type	slot_tail, @function\n"
	"slot_tail:\n"
	"	mov	%edi, %edi\n"
	"	jmp	*pointer_here(%rip)\n"
	".size	slot_tail, . - slot_tail\n"
	/* Too short for a jump, and no padding behind it. */
	".globl	tiny\n"
	".type	tiny, @function\n"
	"tiny:\n"
	"	ret\n"
	".size	tiny, . - tiny\n"
	"	push	%rax\n"
	"	pop	%rax\n"
	"	push	%rax\n"
	"	pop	%rax\n"
	"	push	%rax\n"
	"	pop	%rax\n"
	"	ret\n"
	/* Too short, and another one follows that begins like padding. */
	".globl	neighbour\n"
	".type	neighbour, @function\n"
	"neighbour:\n"
	"	ret\n"
	".size	neighbour, . - neighbour\n"
	".globl	follower\n"
	".type	follower, @function\n"
	"follower:\n"
	"	.nops	15\n"
	"	ret\n"
	".size	follower, . - follower\n"
	/* Too short, but with padding. */
	".balign 16\n"
	".globl	padded\n"
	".type	padded, @function\n"
	"padded:\n"
	"	mov	%edi, %eax\n"
	"	ret\n"
	".size	padded, . - padded\n"
	".balign 16\n"
	/* With a landing pad, which stays. */
	".globl	landing\n"
	".type	landing, @function\n"
	"landing:\n"
	"	endbr64\n"
	"	lea	7(%rdi), %eax\n"
	"	ret\n"
	".size	landing, . - landing\n"
	".popsection\n");
/* The same in each kind of program. */
extern int (*pointer_here)(int n) __attribute__((visibility("hidden")));
int (*pointer_here)(int n) = address;
int tiny(int n);
int far_tail(int n);
int padded(int n);
int landing(int n);

static const struct {
	const char *name;
	int (*call)(int n);
} table[] = {
	{ "plain", plain },	      { "data", data },		{ "same", same },
	{ "other_same", other_same }, { "imports", imports },	{ "address", address },
	{ "choose", choose },	      { "recursive", recursive }, { "looped", looped },
	{ "split", split },	      { "number", number },	{ "tiny", tiny },
	{ "far_tail", far_tail },     { "writable", writable }, { "uses_static", uses_static },
	{ "padded", padded },	      { "landing", landing },
};

int target_main(void)
{
	char name[32];
	unsigned int i;
	int n;

	pointer = address;
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (scanf("%31s %d", name, &n) == 2) {
		for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
			if (!strcmp(name, table[i].name))
				printf("%d\n", table[i].call(n));
		}
	}
	return 0;
}

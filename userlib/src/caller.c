// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The code in an image that calls a hook of the patch. A thread is sent there by the kernel when it has
 * just called a function (WFPATCH_TRANSITION_CALL), with the entry's address on top of its stack, and
 * goes on at the entry as if nothing had been. All its registers are kept, those too that a function may
 * change: a caller in the same source file may know that this one does not (-fipa-ra).
 *
 * Whoever comes first runs the hook. That matters if a command was killed, and the next one has the hook
 * run that the first had already sent a thread to.
 */
#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include "header.h"
#include "internal.h"
#include "linker.h"

/* States of the processor that user code may use: x87, SSE, AVX, AVX-512. Not those that stay as they are. */
#define STATE_MASK 0xe7
/* Where the last of them ends in the standard format, with the header; a multiple of 64. */
#define STATE_SIZE 2752
#define STATE_HEADER 512

#define TEXT(x) TEXT_(x)
#define TEXT_(x) #x

extern const unsigned char wf_caller_code[], wf_caller_data[], wf_caller_end[];

__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"wf_caller_code:\n"
	"	push	%rbp\n"
	"	push	%rax\n"
	"	push	%rcx\n"
	"	push	%rdx\n"
	"	push	%rsi\n"
	"	push	%rdi\n"
	"	push	%r8\n"
	"	push	%r9\n"
	"	push	%r10\n"
	"	push	%r11\n"
	"	pushfq\n"
	"	cld\n"
	"	mov	%rsp, %rbp\n"
	/* NOT_RUN becomes RUNNING, once. */
	"	mov	wf_caller_data + 8(%rip), %rdi\n"
	"	xor	%eax, %eax\n"
	"	mov	$1, %ecx\n"
	"	lock cmpxchg %ecx, (%rdi)\n"
	"	jne	3f\n"
	"	sub	$" TEXT(STATE_SIZE) ", %rsp\n"
	"	and	$-64, %rsp\n"
	"	mov	wf_caller_data + 16(%rip), %rax\n"
	"	test	%eax, %eax\n"
	"	jz	1f\n"
	/* The header must be zero for what is not saved. */
	"	xor	%ecx, %ecx\n"
	"	mov	%rcx, " TEXT(STATE_HEADER) "(%rsp)\n"
	"	mov	%rcx, " TEXT(STATE_HEADER) " + 8(%rsp)\n"
	"	mov	%rcx, " TEXT(STATE_HEADER) " + 16(%rsp)\n"
	"	mov	%rcx, " TEXT(STATE_HEADER) " + 24(%rsp)\n"
	"	mov	%rcx, " TEXT(STATE_HEADER) " + 32(%rsp)\n"
	"	mov	%rcx, " TEXT(STATE_HEADER) " + 40(%rsp)\n"
	"	mov	%rcx, " TEXT(STATE_HEADER) " + 48(%rsp)\n"
	"	mov	%rcx, " TEXT(STATE_HEADER) " + 56(%rsp)\n"
	"	xor	%edx, %edx\n"
	"	xsave64	(%rsp)\n"
	"	jmp	2f\n"
	"1:	fxsave64 (%rsp)\n"
	"2:	xor	%edi, %edi\n"
	"	call	*wf_caller_data(%rip)\n"
	/* The result first, then DONE. */
	"	mov	wf_caller_data + 8(%rip), %rdi\n"
	"	mov	%eax, 4(%rdi)\n"
	"	movl	$2, (%rdi)\n"
	"	mov	wf_caller_data + 16(%rip), %rax\n"
	"	test	%eax, %eax\n"
	"	jz	1f\n"
	"	xor	%edx, %edx\n"
	"	xrstor64 (%rsp)\n"
	"	jmp	3f\n"
	"1:	fxrstor64 (%rsp)\n"
	"3:	mov	%rbp, %rsp\n"
	"	popfq\n"
	"	pop	%r11\n"
	"	pop	%r10\n"
	"	pop	%r9\n"
	"	pop	%r8\n"
	"	pop	%rdi\n"
	"	pop	%rsi\n"
	"	pop	%rdx\n"
	"	pop	%rcx\n"
	"	pop	%rax\n"
	"	pop	%rbp\n"
	/* No return: a shadow stack knows nothing of that word, which signals leave alone below the stack. */
	"	lea	8(%rsp), %rsp\n"
	"	jmp	*-8(%rsp)\n"
	".balign 8\n"
	"wf_caller_data:\n"
	"	.quad	0, 0, 0\n"
	"wf_caller_end:\n"
	".popsection\n");

struct caller_data {
	uint64_t hook;
	uint64_t state;
	uint64_t mask; /* of the states to be kept; 0: the processor has no xsave */
};

bool wf_has_hooks(const struct wfpatch_patch_info *info)
{
	unsigned int i;

	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (info->hooks[i])
			return true;
	}
	return false;
}

int wf_hooks_check(struct wf_link *link)
{
	const char *name;
	unsigned int i;

	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		name = link->patch->info.hooks[i];
		if (name && !wf_object_function(&link->object, name))
			return wf_error_set(&link->error, ENOEXEC,
					    "the patch has no hook '%s', or several", name);
	}
	return 0;
}

size_t wf_caller_size(void)
{
	return (size_t)(wf_caller_end - wf_caller_code);
}

/* What the system has switched on; the process runs on this machine. */
static uint64_t states(void)
{
	unsigned int eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
		return 0;
	__asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	return eax & STATE_MASK;
}

void wf_hooks_finish(struct wf_link *link)
{
	const struct wf_object_symbol *symbol;
	struct caller_data data;
	unsigned char *code;
	unsigned int i;

	for (i = 0; i < WFPATCH_NR_HOOKS; i++) {
		if (!link->callers[i])
			continue;
		symbol = wf_object_function(&link->object, link->patch->info.hooks[i]);
		data.hook = wf_own_address(link, symbol);
		data.state = link->address + link->hook_states + i * sizeof(struct wf_hook_state);
		data.mask = states();
		code = link->image + link->callers[i];
		memcpy(code, wf_caller_code, wf_caller_size());
		memcpy(code + (wf_caller_data - wf_caller_code), &data, sizeof(data));
	}
}

/* --- shadow variables ------------------------------------------------------------------------- */

/* The symbols of patch.h. */
#define SHADOW_TABLE "wfpatch_shadow_table"

static const struct wf_object_symbol *shadow_table(const struct wf_link *link)
{
	const struct wf_object_symbol *symbol;
	unsigned int i;

	for (i = 0; i < link->object.nr_symbols; i++) {
		symbol = &link->object.symbols[i];
		if (symbol->section != SHN_UNDEF && symbol->size == sizeof(uint64_t) &&
		    !strcmp(symbol->name, SHADOW_TABLE))
			return symbol;
	}
	return NULL;
}

bool wf_has_extras(const struct wf_link *link)
{
	return wf_has_hooks(&link->patch->info) || shadow_table(link);
}

/*
 * All patches of a process use one table, that of the first. The image that it is in stays mapped as long as
 * another has this pointer to it.
 */
void wf_shadow_finish(struct wf_link *link)
{
	const struct wf_object_symbol *symbol = shadow_table(link);
	unsigned char *pointer;
	unsigned int i;

	if (!symbol)
		return;
	pointer = link->image + link->object.sections[symbol->section].offset + symbol->value;
	memcpy(&link->shadow, pointer, sizeof(link->shadow));
	for (i = 0; i < link->applied.nr; i++) {
		if (!link->applied.patches[i].shadow)
			continue;
		link->shadow = link->applied.patches[i].shadow;
		memcpy(pointer, &link->shadow, sizeof(link->shadow));
		break;
	}
}

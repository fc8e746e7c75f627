/* SPDX-License-Identifier: GPL-2.0 */
/* The compiled trace.bpf.c as a part of the tool, so that nothing has to be found at run time. */
	.section .rodata
	.balign 8
	.globl wf_trace_program
	.type wf_trace_program, @object
wf_trace_program:
	.incbin WF_TRACE_PROGRAM
	.size wf_trace_program, . - wf_trace_program

	.balign 8
	.globl wf_trace_program_size
	.type wf_trace_program_size, @object
wf_trace_program_size:
	.quad wf_trace_program_size - wf_trace_program
	.size wf_trace_program_size, 8

	.section .note.GNU-stack, "", @progbits

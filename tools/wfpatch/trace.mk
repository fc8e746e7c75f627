# SPDX-License-Identifier: GPL-2.0
# How "wfpatch trace" is built; for the Makefile of tools/, which sets SRC (this directory), O and CC
# and links $(TRACE_OBJECTS) with $(TRACE_LIBS). libbpf goes into the tool, so that no version of it
# has to be there at run time. A tool without the programs is no use: clang is needed.

TRACE_CLANG ?= clang
TRACE_LIBS := -l:libbpf.a -lelf -lz
TRACE_SOURCES := trace.c trace_kernel.c trace_model.c trace_text.c trace_json.c
TRACE_OBJECTS := $(TRACE_SOURCES:%.c=$(O)/%.o) $(O)/trace_program.o

# clang does not look where Debian keeps <asm/types.h> when it compiles for BPF.
$(O)/trace.bpf.o: $(SRC)/trace.bpf.c
	@mkdir -p $(@D)
	$(Q)$(TRACE_CLANG) -target bpf -O2 -g -Wall -Wextra -Werror \
		-idirafter /usr/include/$(shell uname -m)-linux-gnu -MMD -MP -c -o $@ $<

$(O)/trace_program.o: $(SRC)/trace_program.S $(O)/trace.bpf.o
	$(Q)$(CC) -DWF_TRACE_PROGRAM='"$(O)/trace.bpf.o"' -c -o $@ $<

-include $(O)/trace.bpf.d
-include $(TRACE_OBJECTS:.o=.d)

# SPDX-License-Identifier: GPL-2.0
# The one entry point: builds, tests, measures and demonstrates everything.
# All output goes to build/; kernels come from Debian packages (scripts/kernels).

KERNEL  ?= 6.1
MODE    ?=
MODES   ?=
MINUTES ?= 10
SEED    ?=
ROUNDS  ?=
V       ?= 0

B := $(CURDIR)/build
MODULE_BUILD := $(B)/module-$(KERNEL)

export KERNEL MODE MINUTES SEED ROUNDS
export WFPATCH_BUILD := $(B)

# Parts that are not in the tree are left out, so that each can be worked on alone.
have = $(wildcard $(1)/Makefile)
Q := $(if $(filter 1,$(V)),,@)

.PHONY: all module lib tools examples tests unit-tests vm-tests stress-program \
	bench-programs test test-debug test-kernels test-packages test-load test-zoo test-real zoo corpus matrix unit stress stress-ng bench demo demo-points deb vm \
	lint clean distclean help

all: module lib tools examples

help:
	@echo 'make                 module, library, command and examples'
	@echo 'make module          build/module-$(KERNEL)/wfpatch.ko'
	@echo 'make lib tools examples  user space only'
	@echo 'make test            unit tests, then all tests in a VM, in every paging mode'
	@echo 'make test-debug      the VM tests on the debug kernel (KASAN, lockdep, ...)'
	@echo '                     MODES="MODE..." for some of the paging modes'
	@echo 'make test-kernels    the VM tests on other kernels, in one paging mode each'
	@echo 'make test-load       builds and loads that must fail, and others that redirect the same functions'
	@echo 'make test-packages   the Debian packages: DKMS, devices, upgrade, removal; takes root'
	@echo 'make test-real       servers of Debian, patched from their sources, in VMs; builds them first'
	@echo 'make test-zoo        programs of all kinds patched from outside in a VM'
	@echo 'make matrix          the VM tests on every kernel, into docs/kernels.md'
	@echo '                     KERNELS="ID..." for some of them'
	@echo 'make corpus          what wfpatch build makes of the changes in Debian'\''s packages (hours)'
	@echo '                     PACKAGES="NAME..." for some of them'
	@echo 'make unit            unit tests on the host'
	@echo 'make stress          MINUTES=$(MINUTES) SEED= KERNEL=$(KERNEL) MODE= (all modes)'
	@echo 'make stress-ng       memory stressors of stress-ng, in a view and without one'
	@echo 'make bench           measurements in a VM that counts instructions'
	@echo 'make demo            a source fix for Debian'\''s own memcached, put in and out under load'
	@echo '                     ROUNDS=N how often (10)'
	@echo 'make demo-points     a memcached with points of its own, compared with a global barrier'
	@echo 'make deb             Debian packages, into build/deb'
	@echo 'make vm              a shell in a VM with everything in /opt'
	@echo 'make lint            checkpatch, sparse, compiler warnings, shellcheck, ...'
	@echo 'make clean distclean remove build/; distclean also removes the cached kernels'
	@echo
	@echo 'KERNEL=ID  $(shell scripts/kernels list | cut -d" " -f1 | tr "\n" " ")'
	@echo 'MODE=MODE  4level 4level-pti 5level 5level-pti'
	@echo 'V=1        show the commands'

# kbuild writes beside the sources; a mirror per kernel keeps kernels apart and the tree clean.
module:
	@scripts/deps build
	@mkdir -p $(MODULE_BUILD)
	@rsync -rlptm --delete --include='*/' --include='*.[chS]' --include='*.sh' --include='Kbuild*' \
		--exclude='*.mod.c' --exclude='*' Kbuild module uapi $(MODULE_BUILD)/
	$(Q)scripts/build-module $(KERNEL) $(MODULE_BUILD) V=$(V) $(if $(C),C=$(C))

lib:
	@scripts/deps build
	$(if $(call have,userlib),$(Q)$(MAKE) --no-print-directory -C userlib O=$(B)/userlib)

tools: lib
	@scripts/deps build
	$(if $(call have,tools),$(Q)$(MAKE) --no-print-directory -C tools O=$(B)/tools)

examples: lib
	$(if $(call have,examples),$(Q)$(MAKE) --no-print-directory -C examples O=$(B)/examples)

tests: unit-tests vm-tests stress-program

unit-tests: lib tools
	@scripts/deps test
	$(if $(call have,test/unit),$(Q)$(MAKE) --no-print-directory -C test/unit O=$(B)/test/unit)

vm-tests: lib
	@scripts/deps test
	$(if $(call have,test/vm),$(Q)$(MAKE) --no-print-directory -C test/vm O=$(B)/test/vm)

stress-program: lib
	@scripts/deps test
	$(if $(call have,test/stress),$(Q)$(MAKE) --no-print-directory -C test/stress O=$(B)/test/stress)

bench-programs: lib
	@scripts/deps build
	$(if $(call have,test/bench),$(Q)$(MAKE) --no-print-directory -C test/bench O=$(B)/test/bench)

unit: unit-tests
	@test/run --unit

test: module lib tools examples tests
	@scripts/deps vm
	@test/run -k $(KERNEL) $(if $(MODES),--modes '$(MODES)') $(if $(SEED),--seed $(SEED))

matrix: lib tools examples tests
	@scripts/deps build vm
	@test/matrix $(KERNELS)

test-kernels: lib tools examples tests
	@scripts/deps build vm
	@test/matrix -q $(KERNELS)

test-debug: lib tools examples tests
	@scripts/deps vm
	$(Q)$(MAKE) --no-print-directory module KERNEL=debug
	@test/run -k debug --vm $(if $(MODES),--modes '$(MODES)') $(if $(SEED),--seed $(SEED))

stress: module lib examples stress-program
	@scripts/deps vm
	@test/stress/run

stress-ng: module lib stress-program
	@scripts/deps vm test
	@test/stress/stress-ng

bench: module lib tools bench-programs
	@scripts/deps vm bench
	@test/bench/run

demo: module lib tools
	@scripts/deps vm stockdemo
	@examples/stock-memcached/demo

demo-points: module lib
	@scripts/deps vm demo
	@examples/memcached/demo

deb:
	@scripts/deps deb
	@scripts/build-deb $(B)/deb

test-load: module lib vm-tests
	@scripts/deps vm
	@test/load -k $(KERNEL) $(if $(MODE),-m $(MODE))

# Programs that are patched from outside, and their patches.
zoo: lib
	@scripts/deps test
	$(if $(call have,test/zoo),$(Q)$(MAKE) --no-print-directory -C test/zoo O=$(B)/test/zoo LIB=$(B)/userlib)

corpus: lib tools
	@scripts/deps corpus
	@nice test/corpus/run --work $(B)/corpus $(PACKAGES)
	@test/corpus/run --report $(B)/corpus/results

test-zoo: module lib tools zoo
	@scripts/deps vm
	@test/zoo/pack $(B)/tools/wfpatch $(B)/test/zoo
	@test/zoo/run -k $(KERNEL) $(if $(MODE),-m $(MODE))

test-real: module tools
	$(Q)test/real/run

test-packages: deb
	@scripts/deps packages chroot vm demo
	@test/packages

vm: module lib tools examples tests
	@scripts/deps vm
	@scripts/vm -k $(KERNEL) -m $(or $(MODE),5level) --mem 2048 --shell \
		--add $(MODULE_BUILD)/wfpatch.ko \
		$(foreach d,$(wildcard build/userlib build/tools/wfpatch build/examples build/test/vm build/test/stress build/test/bench),--add $(d)) \
		-- 'insmod /opt/wfpatch.ko'

lint:
	@scripts/deps build lint
	@scripts/lint

clean:
	rm -rf build

distclean: clean
	for id in $$(scripts/kernels list | cut -d' ' -f1); do scripts/kernels remove $$id; done

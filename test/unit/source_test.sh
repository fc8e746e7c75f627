#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# wfpatch build --source: trees that are built by make, autotools, CMake and Meson, as they are. Prints
# TAP. Runs where it was built, build/test/unit.

set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tool=${WFPATCH_TOOL:-$here/../../tools/wfpatch}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
unset MAKEFLAGS MFLAGS MAKELEVEL CFLAGS CXXFLAGS CC CXX

# shellcheck source=test/unit/tap.sh
. "${WFPATCH_SOURCE:-$here/../../..}/test/unit/tap.sh"
# shellcheck source=test/unit/tool.sh
. "${WFPATCH_SOURCE:-$here/../../..}/test/unit/tool.sh"

build_id() {
	readelf -n "$1" | sed -n 's/.*Build ID: //p'
}

# A program with a library of its own, which it is linked with, in the directory tree.
make_tree() {
	mkdir -p tree/src tree/lib
	cat >tree/lib/list.c <<-'END'
		#include "list.h"
		static int calls;
		int list_sum(const int *numbers, int nr)
		{
			int sum = 0;

			calls++;
			while (nr--)
				sum += numbers[nr];
			return sum + calls;
		}
	END
	echo 'int list_sum(const int *numbers, int nr);' >tree/lib/list.h
	cat >tree/lib/other.c <<-'END'
		int other(int x)
		{
			return x * 5 + 2;
		}
	END
	cat >tree/src/main.c <<-'END'
		#include <assert.h>
		#include <stdio.h>
		#include "../lib/list.h"
		int other(int x);
		int main(int argc, char **argv)
		{
			int numbers[] = { argc, argc + 1, argc + 2 };

			assert(argv);
			printf("%d\n", list_sum(numbers, 3) + other(argc));
			return 0;
		}
	END
}

# A change of list.c, and one more file.
make_diff() {
	cp -a tree changed
	sed -i 's/sum += numbers\[nr\]/sum += list_weight(numbers[nr])/;
		s/^#include "list.h"/&\nint list_weight(int number);/' changed/lib/list.c
	[ -z "${1:-}" ] || {
		printf 'int list_weight(int number)\n{\n\treturn number > 9 ? 9 : number;\n}\n' \
			>changed/lib/weight.c
		sed -i "$1" "changed/$2"
	}
	diff -urN tree changed >fix.diff || [ $? = 1 ]
	rm -r changed
}

# A change of other.c, to what is in the file here; paths have this in front, as git's have.
other_diff() {
	diff -u --label "$1lib/other.c" --label "$1lib/other.c" tree/lib/other.c other.c || [ $? = 1 ]
}

make_makefile() {
	cat >tree/Makefile <<-'END'
		CFLAGS = -O2
		OBJECTS = lib/list.o lib/other.o
		program: src/main.o lib/libparts.a; $(CC) $(LDFLAGS) -o $@ $^
		lib/libparts.a: $(OBJECTS); $(AR) rcs $@ $^
		lib/%.o: lib/%.c; $(CC) $(CFLAGS) -c -o $@ $<
	END
	make -s -C tree
}

a_tree_with_a_makefile() {
	make_tree
	make_makefile
	make_diff 's/^OBJECTS = /&lib\/weight.o /' Makefile
	find tree -type f -exec sha256sum {} + | sort >before
	expect 0 build --source tree --diff fix.diff --make make --target program --cache cache -o fix.wfp
	said '^replaced  function list_sum (list.c)' out
	said '^new       function list_weight (weight.c)' out
	said 'the second build: ' err
	expect 0 info fix.wfp
	said "^build-id *$(build_id tree/program)$" out
	# The tree itself is left alone.
	find tree -type f -exec sha256sum {} + | sort >after
	cmp before after
}

another_change_costs_what_it_concerns() {
	make_tree
	make_makefile
	make_diff 's/^OBJECTS = /&lib\/weight.o /' Makefile
	expect 0 diff --source tree --diff fix.diff --make make --target program --cache cache
	sed 's/x \* 5 + 2/x * 7 + 3/' tree/lib/other.c >other.c
	other_diff '' >other.diff
	expect 0 diff --source tree --diff other.diff --make make --target program --cache cache
	said '^replaced  function other (other.c)' out
	never_said list_sum out
	never_said 'the first build' err
	never_said '-o src/main.o' cache/*/log
	said '-o lib/other.o' cache/*/log
	# A tree that has changed is built anew.
	echo '/* end */' >>tree/src/main.c
	expect 0 diff --source tree --diff other.diff --make make --target program --cache cache
	said 'the first build' err
}

# change_of FILE SCRIPT: what sed makes of a file of the tree.
change_of() {
	diff -u --label "a/$1" --label "b/$1" "tree/$1" <(sed "$2" "tree/$1") || [ $? = 1 ]
}

a_tree_that_gets_the_change_goes_on_from_there() {
	local command=(diff --source tree --make make --target program --cache cache --diff)
	make_tree
	make_makefile
	change_of lib/list.c 's/sum += numbers/sum += 2 * numbers/' >list.diff
	change_of lib/other.c 's/x . 5 + 2/x * 7 + 3/' >other.diff
	cat list.diff other.diff >both.diff
	expect 0 "${command[@]}" list.diff
	patch -d tree -p1 <list.diff >patched
	expect 0 "${command[@]}" other.diff
	said '^replaced  function other (other.c)' out
	never_said list_sum out
	never_said 'the first build' err
	# It can still be taken back.
	expect 0 "${command[@]}" other.diff
	never_said list_sum out
	# Something else has changed, too.
	patch -d tree -p1 <other.diff >patched
	echo '/* end */' >>tree/src/main.c
	change_of lib/other.c 's/x . 7 + 3/x * 9 + 3/' >again.diff
	expect 0 "${command[@]}" again.diff
	said 'the first build' err
	# Half of a change is not the change.
	patch -d tree -p1 -R <other.diff >patched
	patch -d tree -p1 -R <list.diff >patched
	expect 0 "${command[@]}" both.diff
	patch -d tree -p1 <other.diff >patched
	expect 0 "${command[@]}" list.diff
	said '^replaced  function list_sum (list.c)' out
	never_said other.c out
	said 'the first build' err
}

what_does_not_change_the_program_is_nothing_to_patch() {
	make_tree
	make_makefile
	sed 's/^int other/\/* said *\/\n&/' tree/lib/other.c >other.c
	other_diff a/ >fix.diff
	expect 7 build --source tree --diff fix.diff --make make --target program --cache cache -o no.wfp
	[ ! -e no.wfp ]
}

what_goes_wrong_is_told() {
	make_tree
	make_makefile
	make_diff
	expect 1 diff --source tree --diff fix.diff --make 'make CFLAGS=-nonsense' --target program \
		--cache cache
	said 'unrecognized command' err
	expect 1 diff --source tree --diff missing.diff --make make --target program --cache cache
	said 'cannot read missing.diff' err
	expect 1 diff --source missing --diff fix.diff --make make --target program --cache cache
	said 'missing is no directory' err
	expect 1 diff --source tree --diff fix.diff --make make --target nothing --cache cache
	said 'the build has made no nothing' err
	# list_weight() is nowhere: the changed program cannot be linked.
	expect 1 diff --source tree --diff fix.diff --make make --target program --cache cache
	said 'undefined reference' err
	sed 's/calls++/calls--/' fix.diff >wrong.diff
	expect 1 diff --source tree --diff wrong.diff --make make --target program --cache cache
	said 'wrong.diff does not apply to' err
	expect 1 diff --source tree --diff fix.diff --make /usr/bin/make
	said 'give --target' err
	expect 1 diff --source tree --diff fix.diff --target program
	said 'give --make' err
	make_makefile
	sed -i 's|(CC)|(shell command -v /usr/bin/gcc)|' tree/Makefile
	expect 1 diff --source tree --diff fix.diff --make make --target program --cache cache
	said 'does the build call a compiler by another name' err
}

with_clang() {
	make_tree
	make_makefile
	make_diff 's/^OBJECTS = /&lib\/weight.o /' Makefile
	rm tree/program && make -s -C tree -B CC=clang
	expect 0 build --source tree --diff fix.diff --make 'make CC=clang' --target program \
		--cache cache -o fix.wfp
	said '^replaced  function list_sum (list.c)' out
}

a_tree_with_autotools_and_a_shared_library() {
	make_tree
	cat >tree/configure.ac <<-'END'
		AC_INIT([program], [1])
		AM_INIT_AUTOMAKE([foreign subdir-objects])
		AC_PROG_CC
		AM_PROG_AR
		LT_INIT
		AC_CONFIG_FILES([Makefile])
		AC_OUTPUT
	END
	cat >tree/Makefile.am <<-'END'
		lib_LTLIBRARIES = libparts.la
		libparts_la_SOURCES = lib/list.c lib/other.c
		bin_PROGRAMS = program
		program_SOURCES = src/main.c
		program_LDADD = libparts.la
	END
	(cd tree && autoreconf -i && ./configure --quiet && make -s)
	make_diff 's/^libparts_la_SOURCES = /&lib\/weight.c /' Makefile.am
	expect 0 build --source tree --diff fix.diff --make './configure && make' \
		--target .libs/libparts.so.0.0.0 --cache cache -o fix.wfp
	said '^replaced  function list_sum (list.c)' out
	said '^new       function list_weight (weight.c)' out
	expect 0 info fix.wfp
	said "^build-id *$(build_id tree/.libs/libparts.so.0.0.0)$" out
}

a_tree_with_cmake() {
	make_tree
	cat >tree/CMakeLists.txt <<-'END'
		cmake_minimum_required(VERSION 3.13)
		project(program C)
		set(CMAKE_BUILD_TYPE Release)
		add_library(parts STATIC lib/list.c lib/other.c)
		add_executable(program src/main.c)
		target_link_libraries(program parts)
	END
	make_diff 's/lib\/list.c/& lib\/weight.c/' CMakeLists.txt
	cmake -S tree -B plain && cmake --build plain
	expect 0 build --source tree --diff fix.diff --make 'cmake -S . -B out && cmake --build out' \
		--target out/program --binary plain/program --cache cache -o fix.wfp
	said '^replaced  function list_sum (list.c)' out
	said '^new       function list_weight (weight.c)' out
}

a_tree_with_meson() {
	make_tree
	cat >tree/meson.build <<-'END'
		project('program', 'c', default_options: ['buildtype=debugoptimized'])
		parts = static_library('parts', 'lib/list.c', 'lib/other.c')
		executable('program', 'src/main.c', link_with: parts)
	END
	make_diff "s/'lib\/list.c'/&, 'lib\/weight.c'/" meson.build
	meson setup plain tree && meson compile -C plain
	expect 0 build --source tree --diff fix.diff \
		--make '[ -d out ] || meson setup out && meson compile -C out' --target out/program \
		--binary plain/program --cache cache -o fix.wfp
	said '^replaced  function list_sum (list.c)' out
	said '^new       function list_weight (weight.c)' out
}

# What runs is stripped; what was built once more for its symbols has another build-id, and the same code or not.
a_rebuild_with_another_build_id_has_the_symbols() {
	local command=(build --source tree --diff other.diff --make make --target program
		--cache cache -o fix.wfp)
	make_tree
	make_makefile
	make -s -C tree -B LDFLAGS=-Wl,--build-id=0x12345678
	cp tree/program stock
	strip stock
	rm tree/program
	make -s -C tree LDFLAGS=-Wl,--build-id=0x87654321
	mv tree/program again
	change_of lib/other.c 's/x . 5 + 2/x * 7 + 3/' >other.diff
	expect 0 "${command[@]}" --binary stock --debug again
	said 'again has the code of stock, section by section, and another build-id' err
	[ -z "$(compgen -G 'fix.wfp.*')" ]
	expect 0 info fix.wfp
	said '^build-id *12345678$' out
	# Another program.
	sed -i 's/+ other(argc)/+ 2 * other(argc)/' tree/src/main.c
	make -s -C tree LDFLAGS=-Wl,--build-id=0x87654321
	expect 1 "${command[@]}" --binary stock --debug tree/program
	said 'build-id' err
}

check a_tree_with_a_makefile
check another_change_costs_what_it_concerns
check a_tree_that_gets_the_change_goes_on_from_there
check what_does_not_change_the_program_is_nothing_to_patch
check a_rebuild_with_another_build_id_has_the_symbols
check what_goes_wrong_is_told
check with_clang
check a_tree_with_autotools_and_a_shared_library
check a_tree_with_cmake
check a_tree_with_meson
all_checked

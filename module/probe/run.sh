#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# usage: run.sh COMPILER FLAG...
#
# Asks the kernel's headers what they have: for each NAME.c beside this script -DWF_HAS_NAME=1 is
# printed if it compiles as a part of a module would, else -DWF_HAS_NAME=0. Version numbers would
# lie: distributions backport. If not even a file that asks for nothing compiles, nothing is printed but
# the compiler's errors, and compat.h says what to do.

place=$(dirname "$0")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

compile() {
	"$@" -Werror=implicit-function-declaration -Werror=incompatible-pointer-types \
		-DMODULE -DKBUILD_BASENAME='"probe"' -DKBUILD_MODNAME='"probe"' \
		-D__KBUILD_MODNAME=kmod_probe -c
}

printf "%s\n" "#include <linux/mm.h>" "#include <linux/mmu_notifier.h>" >"$work/nothing.c"
if ! compile "$@" -o "$work/nothing.o" "$work/nothing.c"; then
	echo "run.sh: these headers do not compile, see above" >&2
	exit 1
fi
for file in "$place"/*.c; do
	name=${file##*/}
	name=${name%.c}
	compile "$@" -o "$work/$name.o" "$file" 2>/dev/null &
done
wait
for file in "$place"/*.c; do
	name=${file##*/}
	name=${name%.c}
	value=0
	[ ! -f "$work/$name.o" ] || value=1
	printf -- '-DWF_HAS_%s=%d\n' "$(printf %s "$name" | tr '[:lower:]' '[:upper:]')" "$value"
done

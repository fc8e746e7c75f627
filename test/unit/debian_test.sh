#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# wfpatch build --debian, as far as it goes without the archive and a chroot: what package, which of its
# programs, and what is missing. dpkg, apt and the others are stood in for. That patches come out of it is shown
# by the demo. Prints TAP. Runs where it was built, build/test/unit.

set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tool=${WFPATCH_TOOL:-$here/../../tools/wfpatch}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
shell=$BASH

# shellcheck source=test/unit/tap.sh
. "${WFPATCH_SOURCE:-$here/../../..}/test/unit/tap.sh"
# shellcheck source=test/unit/tool.sh
. "${WFPATCH_SOURCE:-$here/../../..}/test/unit/tool.sh"

# stand_in NAME: a program that does what is on standard input, before all others of the name
stand_in() {
	mkdir -p bin
	{ printf '#!%s\n' "$shell"; cat; } >"bin/$1"
	chmod 755 "bin/$1"
}

# A system with the package server 2:1.0-1+b1 of the source packages-of-it 2:1.0-1, whose files are named
# in "files"; and an archive that has nothing.
make_system() {
	local name
	PATH=$PWD/bin:$PATH
	for name in unshare mmdebstrap newuidmap dpkg-deb; do
		stand_in $name <<<'exit 0'
	done
	stand_in dpkg <<<'echo amd64'
	stand_in dpkg-query <<-END
	case "\$*" in
	"-L server:amd64") cat "$PWD/files" ;;
	-W*" server:amd64") printf 'installed 2:1.0-1+b1 packages-of-it 2:1.0-1' ;;
	*) exit 1 ;;
	esac
	END
	stand_in apt-get <<-END
	echo "\$*" >>"$PWD/asked"
	case "\$*" in
	*" source "*) echo 'E: no such source'; exit 100 ;;
	esac
	END
	stand_in apt-cache <<<'exit 100'
	: >files
	echo change >fix.diff
}

build() {
	local status=$1
	shift
	expect "$status" build --diff fix.diff --cache "$PWD/cache" -o no.wfp --debian "$@"
	[ ! -e no.wfp ]
}

options_that_do_not_go_together() {
	make_system
	build 1 server --make make
	said 'finds out itself what --make' err
	build 1 server --debug server
	build 1 server --source .
	said 'one of these only' err
	build 1 server --old a.o --new a.o
	said 'one of these only' err
	expect 1 build --debian server -o no.wfp
	said 'give --diff FILE' err
	expect 1 build --debian server --diff missing.diff -o no.wfp
	said 'cannot read missing.diff' err
	expect 1 diff --debian server
	said 'give --diff FILE' err
}

names_and_versions() {
	make_system
	build 1 Server
	said "'Server' is no name of a package" err
	build 1 ../server
	said 'is no name of a package' err
	build 1 'server='
	said "'' is no version of a package" err
	build 1 'server=1.0 -1'
	said "'1.0 -1' is no version of a package" err
	# Neither here nor there; the lists are read again before that is said.
	build 1 'server=2:1.1-1'
	said 'no server 2:1.1-1 is installed, or in the archive of' err
	[ "$(grep -c ' update$' asked)" = 2 ]
	build 1 other
	said 'no other is installed, or in the archive of' err
	# What is installed is not asked for; with its version or without.
	rm asked
	build 1 server
	said 'server 2:1.0-1+b1 has no program and no library' err
	build 1 'server=2:1.0-1+b1'
	said 'server 2:1.0-1+b1 has no program and no library' err
	[ ! -e asked ]
}

a_program_of_the_archive() {
	make_system
	mkdir archive
	cp "$shell" archive/client
	ln -s client archive/name
	stand_in apt-cache <<-'END'
	case "$*" in
	*" show --no-all-versions client="*) exit 100 ;;
	*" show "*client) printf 'Package: client\nSource: parts (3-1)\nVersion: 3-1+b2\n' ;;
	esac
	END
	stand_in dpkg-deb <<-END
	cp -a "$PWD/archive" "\$3/usr"
	END
	stand_in apt-get <<-'END'
	case "$*" in
	*" download client=3-1+b2") touch client.deb ;;
	*" source parts=3-1") echo 'E: no such source'; exit 100 ;;
	esac
	END
	build 1 client
	said 'client is not installed: taking 3-1+b2, the newest of' err
	said 'the archive has no source of parts 3-1' err
	build 1 client --target /usr/name
	said 'the archive has no source of parts 3-1' err
	build 1 client=4-1
	said 'no client 4-1 is installed, or in the archive' err
}

which_program() {
	make_system
	echo text >text
	cp "$shell" one
	cp "$shell" two
	cp "$shell" static.o
	ln -s one link
	printf '%s\n' "$PWD" "$PWD/text" "$PWD/static.o" "$PWD/link" "$PWD/one" >files
	# There is only one: on it goes, to where there is nothing.
	build 1 server
	said 'the archive has no source of packages-of-it 2:1.0-1; WFPATCH_DEBIAN_MIRROR may name another' err
	echo "$PWD/two" >>files
	build 1 server
	said "server has 2 programs and libraries; give --target with one of: $PWD/one $PWD/two" err
	build 1 server --target "$PWD/two"
	said 'the archive has no source of' err
	build 1 server --target "$PWD/link"
	said 'the archive has no source of' err
	build 1 server --target "$PWD/text"
	said "has no program or library $PWD/text; it has $PWD/one $PWD/two" err
}

what_is_missing() {
	make_system
	# Nothing of the system's own is found then.
	mkdir bare
	for name in bash dirname realpath mkdir id unshare; do
		ln -s "$(command -v $name)" bare/
	done
	PATH=$PWD/bare build 1 server
	said 'mmdebstrap is not there: install mmdebstrap' err
	stand_in unshare <<<'echo "not permitted"; exit 1'
	build 1 server
	said "a chroot needs .*: not permitted" err
	stand_in unshare <<<'exit 0'
	stand_in id <<<'echo 1000'
	rm bin/newuidmap
	ln -s "$PWD/bin/mmdebstrap" bare/
	ln -s "$(command -v apt-get)" bare/
	ln -s "$(command -v dpkg-deb)" bare/
	ln -sf "$PWD/bin/id" bare/
	PATH=$PWD/bare build 1 server
	said 'newuidmap is not there: install uidmap' err
	stand_in id <<<'echo 0'
	stand_in dpkg <<<'echo arm64'
	build 1 server
	said 'patches are for amd64' err
}

check options_that_do_not_go_together
check names_and_versions
check a_program_of_the_archive
check which_program
check what_is_missing
all_checked

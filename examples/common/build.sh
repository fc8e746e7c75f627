# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the builds of the memcached demos share: Debian's packages, and keeping what was built in the
# cache. Sourced after lib.sh.
# shellcheck disable=SC2034
# Sets variables for who sources it.

# shellcheck source=scripts/apt.sh
. "$WF_SCRIPTS/apt.sh"

store=$WF_CACHE/memcached
# For what is compiled here and is ours.
strict=(-std=gnu11 -Wall -Wextra -Werror)

lock_store() {
	mkdir -p "$store"
	exec 9>"$store/lock"
	flock 9
}

# Sets dsc and deb: Debian's source package of memcached and the binary package made of it. They are
# fetched once and stay in the cache together.
fetch_packages() {
	local work version
	if ! compgen -G "$store/debian/*.dsc" >/dev/null; then
		note "fetching Debian's memcached"
		work=$(mktemp -d "$store/debian.XXXXXX")
		private_apt --sources bookworm bookworm-security || die "cannot read the package lists"
		private_download "$work" memcached || die "cannot fetch the package memcached"
		version=$(dpkg-deb -f "$work"/memcached_*.deb Version)
		(cd "$work" && apt-get "${apt_options[@]}" --download-only source \
			"memcached=$version" >&2) || die "cannot fetch the source of memcached $version"
		rm -rf "$store/debian" "$store/source" "$store/apt"
		mv "$work" "$store/debian"
	fi
	dsc=$(compgen -G "$store/debian/*.dsc")
	deb=$(compgen -G "$store/debian/*.deb")
}

# cached_build NAME HASH OUT COMMAND FILE...: sees that the files are in OUT. If the cache has none of
# this hash, COMMAND makes them, in a directory of its own that it is called in.
cached_build() {
	local name=$1 built=$store/$1-$2 out=$3 command=$4 status=0 file
	shift 4
	mkdir -p "$out"
	if [ ! -d "$built" ]; then
		work=$(mktemp -d "$store/work.XXXXXX")
		trap 'rm -rf "$work"' EXIT
		# Not "(...) || die": bash would ignore errors inside.
		set +e
		(set -e; cd "$work"; "$command") >"$store/$name.log" 2>&1
		status=$?
		set -e
		if [ $status != 0 ]; then
			tail -n 12 "$store/$name.log" | cut -c -200 >&2
			die "the build failed; all of its output is in $store/$name.log"
		fi
		# The last one but this is kept, too: trees and installed packages take turns.
		find "$store" -maxdepth 1 -name "$name-*" -printf '%T@ %p\n' | sort -rn | sed 1d |
			cut -d' ' -f2- | xargs -r -d '\n' rm -rf
		mkdir "$work/built"
		for file; do
			mv "$work/$file" "$work/built/"
		done
		mv "$work/built" "$built"
		rm -rf "$work"
	fi
	for file; do
		file=${file##*/}
		cmp -s "$built/$file" "$out/$file" || cp "$built/$file" "$out/"
	done
}

# The load generator and what gives it commands, for the present directory.
build_load() {
	gcc -O2 -g "${strict[@]}" -o mcload "$WF_ROOT"/test/bench/mcload*.c
	gcc -O2 -g "${strict[@]}" -o control "$WF_ROOT/examples/common/control.c"
}

# What build_load() depends on, and the tools of all.
common_inputs() {
	gcc --version
	dpkg-buildflags
	cat "$WF_ROOT"/test/bench/mcload*.[ch] "$WF_ROOT"/examples/common/{control.c,build.sh}
}

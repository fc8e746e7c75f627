# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Two versions of Debian's memcached whose sources differ in what Debian does not compile: 1.6.18-1, and the
# next with a fix of the proxy and of the password database. There is nothing to patch.
# shellcheck disable=SC2154
# The variables are test/real/run's.

private_apt --sources bookworm bookworm-security
for version in 1.6.18-1 1.6.18-1+deb12u1; do
	rm -rf "${out:?}/$version"
	(cd "$out" && apt-get "${apt_options[@]}" --download-only source "memcached=$version" &&
		dpkg-source --no-check -x "memcached_$version.dsc" "$version") >"$out/source.log"
done
(cd "$out" && ! diff -ruN --exclude=.pc --exclude=debian 1.6.18-1 1.6.18-1+deb12u1) >"$out/pair.diff"
grep -q '^+++ .*\.c' "$out/pair.diff" || die "the two versions have the same source"
build_patch 7 pair "$out/pair.diff" --debian memcached=1.6.18-1
expect_said pair 'nothing to patch'
status=0
"$tool" diff --debian memcached=1.6.18-1 --diff "$out/pair.diff" --cache "$builds" >"$out/diff.log" ||
	status=$?
cat "$out/diff.log"
[ "$status" = 7 ] || die "wfpatch diff: status $status, not 7"

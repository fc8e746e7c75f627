# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# memcached: what runs on the host; sourced by test/real/run.
# shellcheck disable=SC2154
# Its variables are set there.

if [ -n "$building" ]; then
	build_patch 0 blank-line "$WF_ROOT/examples/stock-memcached/fix-blank-line.patch" --debian memcached
	build_patch 0 read-memory "$here/memcached/read-memory.patch" --debian memcached
	expect_said read-memory 'replaced  function drive_machine '
	# The move is inlined into what never returns: refused, with the names of what can be changed instead.
	build_patch 2 move-cas "$here/memcached/move-cas.patch" --debian memcached
	expect_said move-cas "refused: slab_rebalance_thread: .* \[quiescence\]; .*'do_item_replace'"
	build_patch 0 move-cas "$here/memcached/move-cas.patch" --debian memcached --allow quiescence
	build_patch 0 move-cas-split "$here/memcached/move-cas-split.patch" --debian memcached
	expect_said move-cas-split 'replaced  function do_item_replace '
fi
lock_store
fetch_packages
rm -rf "$out/package"
dpkg-deb -x "$deb" "$out/package"
(cd "$out" && build_load)
in_vm 900 1024 --add "$out/package/usr/bin/memcached:/opt/real/" --add "$out/mcload:/opt/demo/" \
	--add "$out/control:/opt/demo/" --add "$(command -v prlimit)"

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# slapd: what runs on the host; sourced by test/real/run.
# shellcheck disable=SC2154
# Its variables are set there.

if [ -n "$building" ]; then
	for name in writer-deadlock close-other; do
		build_patch 0 $name "$here/slapd/$name.patch" --debian slapd --target /usr/sbin/slapd
		expect_said $name 'replaced  function send_ldap_ber '
	done
	build_patch 0 entry-release "$here/slapd/entry-release.patch" --debian slapd \
		--target /usr/lib/ldap/back_mdb-2.5.so.0.1.8
	expect_said entry-release 'replaced  function mdb_entry_release '
fi
server_root slapd slapd python3-ldap
in_vm 900 1536 --share "$root:/share/slapd" --add "$here/slapd/load.py:/opt/real/" \
	--add "$here/slapd/stuck.py:/opt/real/" --add "$here/entries.py:/opt/real/" \
	--add "$(command -v strace)"

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# What is checked in the VM of a process that is patched from outside. Sourced after guest.sh by who sets
# pid, and server, its program.
# shellcheck disable=SC2034,SC2086,SC2119,SC2120,SC2154
# Those are not set here, and threads is for who sources it; demo is a plain path.

# The process's code is that of its files, byte by byte; or of one of them alone, which is faster.
expect_original_code()
{
	$demo/codecheck "$pid" "$@" >/run/code || { cat /run/code; fail "the process's code has changed"; }
	grep -q "^0 ${1:-$server}\$" /run/code ||
		{ cat /run/code; fail "the process does not map ${1:-$server}"; }
}

# It is, but for a jump of 5 bytes, some of which may be what was there, and one mapping of ours.
expect_patched_code()
{
	$demo/codecheck "$pid" "${1:-$server}" >/run/code
	{ [ "$(wc -l </run/code)" = 2 ] && grep -q "^[1-5] ${1:-$server}\$" /run/code &&
		grep -q '^foreign /memfd:wfpatch:' /run/code; } ||
		{ cat /run/code; fail "the process's code is not that of the patch"; }
}

# What wfpatch itself reads from the process.
expect_status()
{
	wfpatch status --pid "$pid" >/run/status || fail 'wfpatch status fails'
	grep -q "$1" /run/status || { cat /run/status; fail "wfpatch status does not say '$1'"; }
}

threads()
{
	awk '/^Threads:/ { print $2 }' "/proc/$pid/status"
}

# What the process is before anything happens to it.
remember_process()
{
	awk '$2 ~ /x/' "/proc/$pid/maps" >/run/executable.before
	threads=$(threads)
	started=$(awk '{ print $22 }' "/proc/$pid/stat")
}

# Nothing of it may be left.
expect_same_process()
{
	[ "$(awk '{ print $22 }' "/proc/$pid/stat")" = "$started" ] || fail 'it is another process'
	expect_original_code
	echo "  its code is that of its $(wc -l </run/code) files, byte by byte"
	awk '$2 ~ /x/' "/proc/$pid/maps" >/run/executable.after
	cmp /run/executable.before /run/executable.after ||
		fail 'its executable mappings have changed'
	! grep wfpatch "/proc/$pid/maps" || fail 'something of wfpatch is still mapped'
	echo '  nothing is mapped that was not there before'
}

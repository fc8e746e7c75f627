# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# What the tests of real servers share in the VM. Sourced; what they check of a process is that of the demo.
# Figures go to /out/figures: what, and its value, which test/real/run prints at the end.
# shellcheck disable=SC2154
# pid and server are set by who sources it.

# shellcheck source=examples/common/guest.sh
. /opt/guest.sh
# shellcheck source=examples/common/outside.sh
. /opt/outside.sh

fail()
{
	printf '\nreal: %s\n' "$*"
	for log in /run/*.log; do
		[ ! -s "$log" ] || { echo "--- $log:"; tail -n 20 "$log"; }
	done
	exit 1
}

figure()
{
	printf '%s\t%s\n' "$1" "$2" >>/out/figures
}

now_ms()
{
	awk '{ printf "%.0f", $1 * 1000 }' /proc/uptime
}

# timed WHAT COMMAND...: the time of a command that must succeed is a figure
timed()
{
	what=$1
	shift
	since=$(now_ms)
	"$@" >/run/wfpatch.log 2>&1 || fail "$* failed"
	figure "$what, ms" $(($(now_ms) - since))
	cat /run/wfpatch.log
}

# apply NAME FUNCTION [FILE]: the patch goes in, and is seen there; FILE is what it changes, if not server
apply()
{
	say "--- wfpatch apply $1"
	timed "apply $1" wfpatch apply "/opt/real/$1.wfp" --pid "$pid"
	expect_status ': 1 patch$'
	expect_status " $2: active\$"
	expect_patched_code "${3:-$server}"
}

revert()
{
	say "--- wfpatch revert $1"
	timed "revert $1" wfpatch revert "$1" --pid "$pid"
	expect_status ': 0 patches$'
	expect_original_code "${2:-$server}"
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Tests that are functions of a shell script. Sourced; work is a directory for what they leave.

: "${work:?}"
number=0
failed=0

# Run a test function in a shell and a directory of its own; what it prints is shown if it fails.
check() {
	local status=0
	number=$((number + 1))
	mkdir "$work/$number"
	# Not as a condition itself: there set -e means nothing.
	(set -e; cd "$work/$number"; "$1") >"$work/log" 2>&1 &
	wait $! || status=$?
	if [ "$status" = 0 ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		sed 's/^/# /' "$work/log"
		failed=$((failed + 1))
	fi
}

# The last command of a script.
all_checked() {
	echo "1..$number"
	[ "$failed" = 0 ]
}

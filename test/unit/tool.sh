# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The command in tests that have a directory of their own. Sourced behind tap.sh; tool is the command.

: "${tool:?}"

# expect STATUS ARGUMENT...: run the tool; its output goes to out and err.
expect() {
	local status=0 wanted=$1
	shift
	"$tool" "$@" >out 2>err || status=$?
	[ "$status" = "$wanted" ] && return
	echo "wfpatch $*: expected status $wanted, seen $status"
	cat out err
	exit 1
}

said() {
	grep -q -- "$1" "$2" && return
	echo "expected in $2: $1; seen:"
	cat "$2"
	exit 1
}

never_said() {
	if grep -e "$1" "$2"; then
		echo "not expected in $2"
		exit 1
	fi
}

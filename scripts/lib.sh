# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the scripts share: where the tree and the cache are, and how an error is said.
# shellcheck disable=SC2034
# Sourced, not run; it changes nothing and needs nothing but bash.

shopt -s inherit_errexit

WF_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
WF_CACHE=${WFPATCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wfpatch}
WF_SCRIPTS=$WF_ROOT/scripts

note() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	note "$@"
	exit "${WF_DIE_STATUS:-1}"
}

# Run a command as root: directly, or through sudo when it asks for no password.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

can_be_root() {
	[ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

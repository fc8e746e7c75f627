# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the scripts of 'wfpatch build' share. Sourced by one that has set quiet, which is empty
# if steps are told.

die() {
	echo "wfpatch: $*" >&2
	exit 1
}

# What is done, and how long it took when it is over.
note() {
	[ -n "${quiet-}" ] || printf 'wfpatch: %s\n' "$*" >&2
}

timed() {
	local what=$1 started=$EPOCHREALTIME
	shift
	"$@"
	note "$what: $(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $started }") s"
}

# patch_strip DIRECTORY OPTION...: prints how many directories in front of a change's paths are to be left
# out: one in most changes, or none. The options are of patch. What is around a change must be what it was
# made for. If it does not apply, prints what patch says of it.
patch_strip() {
	local directory=$1 strip said why=
	shift
	for strip in 1 0; do
		if said=$(patch -d "$directory" -p$strip --fuzz=0 --force --dry-run "$@" 2>&1); then
			echo $strip
			return
		fi
		# With the paths that are right it says more.
		[[ -n $why && $said = *"can't find file"* ]] || why=$said
	done
	printf '%s\n' "$why"
	return 1
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Packages of any Debian suite, without touching the host's own configuration of apt: lists and
# archives live in the cache. Sourced after lib.sh.

# private_apt [--sources] SUITE...: sets the array apt_options, which make apt-get and apt-cache know
# these suites and no others, with their source packages if asked for, and sees that the lists are
# there and not older than a day. WFPATCH_DEBIAN_MIRROR and WFPATCH_SECURITY_MIRROR name other mirrors.
private_apt() {
	local dir suite mirror type types=(deb)
	if [ "$1" = --sources ]; then
		types=(deb deb-src)
		shift
	fi
	dir=$WF_CACHE/apt/$(IFS=+; printf '%s' "$*")${types[1]:++sources}
	mkdir -p "$dir"/{lists,archives}/partial
	apt_options=(-qq -o APT::Sandbox::User=root -o Acquire::Retries=3
		-o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir"
		-o "Dir::Cache::Archives=$dir/archives")
	exec 8>"$dir/.lock"
	flock 8
	if [ -z "$(find "$dir/fresh" -mmin -1440 2>/dev/null)" ]; then
		for suite; do
			mirror=${WFPATCH_DEBIAN_MIRROR:-http://deb.debian.org/debian}
			case $suite in
			*-security)
				mirror=${WFPATCH_SECURITY_MIRROR:-http://deb.debian.org/debian-security}
				;;
			esac
			for type in "${types[@]}"; do
				printf '%s [signed-by=%s] %s %s main\n' "$type" \
					/usr/share/keyrings/debian-archive-keyring.gpg "$mirror" "$suite"
			done
		done >"$dir/sources.list"
		apt-get "${apt_options[@]}" -o APT::Update::Error-Mode=any update >&2 || return
		touch "$dir/fresh"
	fi
	exec 8>&-
}

# Download packages of the suites of the last private_apt into a directory.
private_download() {
	(cd "$1" && apt-get "${apt_options[@]}" download "${@:2}" >/dev/null)
}

# private_closure REGEX PACKAGE...: the packages and what they depend on, directly or not, as far as
# the names match.
private_closure() {
	local pattern=$1 package found
	shift
	local -A seen=()
	while [ $# -gt 0 ]; do
		package=$1
		shift
		[ -z "${seen[$package]:-}" ] || continue
		seen[$package]=y
		printf '%s\n' "$package"
		mapfile -t found < <(apt-cache "${apt_options[@]}" depends --no-recommends \
			--no-suggests --no-conflicts --no-breaks --no-replaces "$package" |
			awk -v re="$pattern" '$1 ~ /Depends:$/ && $2 ~ re { print $2 }')
		set -- "$@" "${found[@]}"
	done
}

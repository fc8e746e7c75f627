# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of wfpatch(8) for bash.

# The names of patches that are applied to some process.
_wfpatch_applied() {
	wfpatch list --json 2>/dev/null | sed -n 's/^ \{10\}"name": "\([A-Za-z0-9._+-]*\)",*$/\1/p'
}

_wfpatch() {
	local cur prev word command='' options='' commands
	commands='apply revert check status list info pack diff build trace help'
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()

	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$cur")
		return
	fi
	command=${COMP_WORDS[1]}

	case $prev in
	-p|--pid)
		mapfile -t COMPREPLY < <(cd /proc && compgen -G '[0-9]*' | grep "^$cur")
		return
		;;
	-d|--debug|--target|-o|--output|--old|--new|--source|--diff|--binary|--cache)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-t|--timeout|--replace|--name|--version|--description|--author|--cve|--make)
		return
		;;
	--allow)
		mapfile -t COMPREPLY < <(compgen -W \
			'compiler constructor data layout quiescence signature version' -- "$cur")
		return
		;;
	--debian)
		mapfile -t COMPREPLY < <(compgen -W \
			"$(dpkg-query -W -f '${Package} ' 2>/dev/null)" -- "$cur")
		return
		;;
	--replaces)
		mapfile -t COMPREPLY < <(compgen -W "$(_wfpatch_applied)" -- "$cur")
		return
		;;
	esac

	case $command in
	apply|revert)
		options='--pid --all --timeout --dry-run --explicit-only --debug --watch --quiet --json --help'
		;;
	check) options='--pid --all --debug --quiet --json --help' ;;
	status) options='--pid --watch --json --help' ;;
	list) options='--watch --json --help' ;;
	info) options='--json --help' ;;
	pack)
		options='--target --replace --output --debug --name --version --description --author'
		options+=' --cve --replaces --hook-point --leave-variants --quiet --json --help'
		;;
	diff)
		options='--source --debian --diff --make --target --old --new --cache --keep-line-changes --allow'
		options+=' --quiet --json --help'
		;;
	build)
		options='--source --debian --diff --make --binary --cache --old --new --target --output --debug'
		options+=' --keep-line-changes --allow --name --version --description --author --cve --replaces --hook-point --quiet --json --help'
		;;
	trace)
		for word in $(wfpatch trace --help 2>/dev/null | grep -o -e '--[a-z][a-z-]*'); do
			options+=" $word"
		done
		;;
	help) options=$commands ;;
	esac

	case $cur in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		;;
	*)
		case $command in
		help) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
		apply|check|info|pack|diff|build)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		revert)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -W "$(_wfpatch_applied)" -- "$cur"
				compgen -f -- "$cur")
			;;
		esac
		;;
	esac
}
complete -F _wfpatch wfpatch

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The command wfpatch without the kernel module: help, exit statuses, JSON, what it reads from files
# and processes. Prints TAP. Runs where it was built, build/test/unit.

set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tool=${WFPATCH_TOOL:-$here/../../tools/wfpatch}
source=${WFPATCH_SOURCE:-$here/../../..}/tools/wfpatch
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT

# shellcheck source=test/unit/tap.sh
. "${WFPATCH_SOURCE:-$here/../../..}/test/unit/tap.sh"

# expect STATUS ARGUMENT...: run the tool; its output goes to $work/out and $work/err.
expect() {
	local status=0 wanted=$1
	shift
	"$tool" "$@" >"$work/out" 2>"$work/err" || status=$?
	[ "$status" = "$wanted" ] && return
	echo "wfpatch $*: expected status $wanted, seen $status"
	cat "$work/out" "$work/err"
	exit 1
}

said() {
	grep -q -- "$1" "$work/$2" && return
	echo "expected in $2: $1; seen:"
	cat "$work/$2"
	exit 1
}

# The JSON that was printed has this value at this path of keys and numbers.
json() {
	python3 - "$work/out" "$@" <<-'END' || exit 1
	import json, sys
	value = json.load(open(sys.argv[1]))
	for key in sys.argv[2:-1]:
	    value = value[int(key)] if isinstance(value, list) else value[key]
	if str(value) != sys.argv[-1]:
	    sys.exit(f"{sys.argv[2:-1]}: expected {sys.argv[-1]}, seen {value}")
	END
}

commands() {
	"$tool" help | sed -n 's/^  \([a-z]*\)  *[A-Z].*/\1/p'
}

# --- the command line ---------------------------------------------------------------------------

each_command_has_help() {
	local command
	[ "$(commands | wc -l)" -ge 8 ]
	for command in $(commands); do
		case $command in trace) continue ;; esac
		expect 0 help "$command"
		cp "$work/out" "$work/first"
		expect 0 "$command" --help
		cmp "$work/first" "$work/out"
		said "usage: wfpatch $command" out
	done
}

manual_says_what_help_says() {
	local command line
	groff -man -t -Tutf8 -P -cbou -ww "$source/wfpatch.8" | tr -s ' \n' ' ' |
		sed "s/\xe2\x80\x90 //g; s/\xe2\x80\x90\|\xe2\x88\x92/-/g; s/\xe2\x80\x99/'/g" \
			>"$work/manual"
	for command in $(commands); do
		case $command in trace) continue ;; esac
		"$tool" help "$command" | sed -n 's/^ \{2,\}\(-[^ ].*\)/\1/p' | tr -s ' '
	done | sort -u >"$work/options"
	[ "$(wc -l <"$work/options")" -ge 19 ]
	while IFS= read -r line; do
		grep -qF -- "$line" "$work/manual" || { echo "manual lacks: $line"; exit 1; }
	done <"$work/options"
	"$tool" help | sed -n 's/^  \([0-9]\)  \(.*\)/\1 \2/p; s/^  [a-z]*  *\([A-Z].*\)/\1/p' \
		>"$work/lines"
	[ "$(wc -l <"$work/lines")" -ge 17 ]
	while IFS= read -r line; do
		grep -qF -- "$line" "$work/manual" || { echo "manual lacks: $line"; exit 1; }
	done <"$work/lines"
}

completion_knows_every_option() {
	local command
	# shellcheck source=tools/wfpatch/completion.bash
	. "$source/completion.bash"
	compopt() { :; }
	for command in $(commands); do
		COMP_WORDS=(wfpatch "${command:0:3}") COMP_CWORD=1
		_wfpatch
		[[ " ${COMPREPLY[*]} " == *" $command "* ]]
		case $command in trace|help) continue ;; esac
		COMP_WORDS=(wfpatch "$command" --) COMP_CWORD=2
		_wfpatch
		diff <(printf '%s\n' "${COMPREPLY[@]}" | sort) \
			<("$tool" help "$command" | grep -o -e '^ .*--[a-z-]*' |
				grep -o -e '--[a-z-]*' | sort)
	done
}

wrong_use_is_told_apart() {
	expect 1
	expect 1 nonsense
	said "no command 'nonsense'" err
	expect 1 apply
	expect 1 apply "$here/apply_test"
	said 'give --pid PID, or --all' err
	expect 1 apply "$here/apply_test" --pid 1 --all
	expect 1 apply "$here/apply_test" --pid x
	said "'x'" err
	expect 1 apply "$here/apply_test" --pid 1 --timeout never
	said "'never'" err
	expect 1 apply "$here/apply_test" --pid 1 --timeout nan
	expect 1 apply "$here/apply_test" --pid 1 --timeout -1
	expect 1 status --nonsense
	said "'--nonsense'" err
	expect 1 list more
	expect 1 status
	expect 1 info
	expect 1 pack "$here/apply_test"
	said 'give --target' err
	[ "$(wc -l <"$work/err")" = 1 ]
}

files_that_are_no_patches_are_told_apart() {
	expect 1 info "$work/missing"
	said "$work/missing" err
	expect 1 info "$here/apply_test"
	expect 1 apply "$here/apply_test" --pid $$
	: >"$work/empty"
	expect 1 info "$work/empty"
	[ "$(wc -l <"$work/err")" = 1 ]
}

output_that_cannot_be_written_is_an_error() {
	local status=0
	"$tool" help >/dev/full 2>"$work/err" || status=$?
	[ "$status" = 8 ]
	status=0
	"$tool" list --json >/dev/full 2>"$work/err" || status=$?
	[ "$status" = 8 ]
}

# --- what is applied ----------------------------------------------------------------------------

start_holder() {
	mkfifo "$work/end"
	"$here/apply_test" --hold >"$work/holder" <"$work/end" &
	pids+=($!)
	exec 9>"$work/end"
	while [ ! -s "$work/holder" ]; do
		kill -0 $! || return 1
		sleep 0.01
	done
	read -r holder <"$work/holder"
}

status_shows_which_functions_lead_where() {
	expect 0 status --pid "$holder"
	said '^[0-9]* (apply_test): 3 patches$' out
	said ' a *partly active, 1 of 2 functions' out
	said ' one: taken over by b$' out
	said ' zero: active$' out
	said ' c *not in use, 0 of 1 functions' out
	said ' b *active, 1 of 1 functions' out
	expect 0 status --pid "$holder" --json
	json 0 pid "$holder"
	json 0 patches 0 name c
	json 0 patches 0 state 'not in use'
	json 0 patches 1 name a
	json 0 patches 1 sequence 2
	json 0 patches 1 functions 1 state 'taken over'
	json 0 patches 1 functions 1 by b
	json 0 patches 2 active 1
}

list_finds_processes_with_patches() {
	expect 0 list
	said "^ *$holder  apply_test *c(0/1) a(1/2) b$" out
	expect 0 list --json
	python3 - "$work/out" "$holder" <<-'END'
	import json, sys
	rows = [r for r in json.load(open(sys.argv[1])) if r["pid"] == int(sys.argv[2])]
	assert [p["name"] for p in rows[0]["patches"]] == ["c", "a", "b"], rows
	END
	expect 0 status --pid $$
	said ': 0 patches$' out
}

# Nothing is applied to what is no process, or has no such patch, whether there is a module or not.
missing_processes_and_patches_are_told_apart() {
	expect 4 status --pid 1073741824
	said 1073741824 err
	expect 4 revert a --pid 1073741824
	expect 4 revert no-such-patch --all
	expect 4 revert no-such-patch --pid "$holder" --dry-run
	expect 2 revert a --pid "$holder" --dry-run
	said 'patch b has taken over one' err
	expect 0 revert b --pid "$holder" --dry-run
	said 'would be reverted' out
	expect 0 revert b --all --dry-run --json
	json 0 result 'would be reverted'
	json 0 status 0
}

without_the_device_nothing_is_changed() {
	if [ -e /dev/wfpatch ]; then
		echo 'the device is there'
		return 0
	fi
	expect 6 revert b --pid "$holder"
	said modprobe err
	expect 0 status --pid "$holder"
	said ' b *active, 1 of 1 functions' out
}

# --- patch files --------------------------------------------------------------------------------

make_patch() {
	cat >"$work/server.c" <<-'END'
	#include <unistd.h>
	__attribute__((noipa)) int answer(int x) { return x * 7 + 1000 / (x + 1); }
	int main(void) { for (;;) { if (answer(1) == 3) return 3; pause(); } }
	END
	cat >"$work/fix.c" <<-'END'
	int answer(int x);
	int answer(int x) { return x + 2; }
	END
	gcc -O2 -g -Wl,--build-id -o "$work/server" "$work/server.c" &&
		gcc -O2 -c -ffunction-sections -o "$work/fix.o" "$work/fix.c" &&
		cp "$work/server" "$work/other" &&
		"$tool" pack "$work/fix.o" --target "$work/server" --replace answer \
			-o "$work/fix.wfp" --version 1.2 --description $'one \e[31mline' --cve CVE-1-2 \
			--cve CVE-3-4 --author me --replaces old
}

pack_makes_what_info_shows() {
	make_patch
	expect 0 info "$work/fix.wfp"
	said '^name *fix$' out
	said '^version *1.2$' out
	said '^cve *CVE-1-2$' out
	said '^cve *CVE-3-4$' out
	said '^replaces *old$' out
	said '^function *answer, [0-9]* bytes at 0x' out
	# What a file says cannot play with the terminal.
	said 'x1b\[31m' out
	expect 0 info "$work/fix.wfp" --json
	json name fix
	json cves 1 CVE-3-4
	json functions 0 name answer
	json description $'one \e[31mline'
	id=$(sha256sum "$work/fix.wfp")
	json id "${id%% *}"
}

pack_refuses_what_is_not_there() {
	make_patch
	expect 1 pack "$work/fix.o" --target "$work/server" --replace nothing -o "$work/no.wfp"
	said nothing err
	[ ! -e "$work/no.wfp" ]
	expect 1 pack "$work/missing.o" --target "$work/server" --replace answer -o "$work/no.wfp"
	[ ! -e "$work/no.wfp" ]
}

# Two versions of an object in $work/before and $work/after, and the program of the first.
make_versions() {
	local version
	rm -rf "$work/before" "$work/after"
	for version in before after; do
		mkdir "$work/$version"
		cat >"$work/$version/answer.c" <<-END
			#include <stdio.h>
			int answer(int x) { return printf("%d", x) * $( [ $version = before ] && echo 2 || echo 3 ); }
		END
		echo 'int answer(int x); int main(void) { return answer(1); }' >"$work/$version/main.c"
		(cd "$work/$version" && gcc -O2 -g -ffunction-sections -fdata-sections -c ./*.c)
	done
	gcc -o "$work/answers" "$work"/before/*.o
}

build_makes_what_diff_says() {
	make_versions
	expect 0 diff --old "$work"/before/*.o --new "$work"/after/*.o
	said '^replaced  function answer (answer.c)' out
	said '^can be patched$' out
	expect 0 diff --json --old "$work"/before/*.o --new "$work"/after/*.o
	json verdict 'can be patched'
	json items 0 refers_to "['printf']"
	expect 0 build --old "$work"/before/*.o --new "$work"/after/*.o --target "$work/answers" \
		-o "$work/built.wfp" --version 3 --quiet
	[ ! -s "$work/out" ]
	expect 0 info "$work/built.wfp"
	said '^version *3$' out
	said '^function *answer, ' out
	expect 7 diff --old "$work"/before/*.o --new "$work"/before/*.o
	said '^nothing to patch$' out
	expect 7 build --old "$work"/before/*.o --new "$work"/before/*.o --target "$work/answers" \
		-o "$work/none.wfp"
	said 'nothing to patch' err
	[ -z "$(find "$work" -name 'none.wfp*' -o -name 'built.wfp.*')" ]
}

what_a_patch_needs_of_another_file_comes_along() {
	make_versions
	echo 'int helper(int x) { static int n; n += x; return n * 3; }' >"$work/before/helper.c"
	cp "$work/before/helper.c" "$work/after/"
	echo 'int added(int x) { return helper(x) + 7; }' >>"$work/after/helper.c"
	cat >"$work/after/answer.c" <<-'END'
		int added(int x);
		int answer(int x) { return added(x) - 1; }
	END
	gcc -O2 -g -ffunction-sections -fdata-sections -c -o "$work/before/helper.o" "$work/before/helper.c"
	(cd "$work/after" && gcc -O2 -g -ffunction-sections -fdata-sections -c helper.c answer.c)
	gcc -o "$work/answers" "$work"/before/*.o
	expect 0 diff --old "$work"/before/*.o --new "$work"/after/*.o
	said '^replaced  function answer (answer.c)' out
	said '^new       function added (helper.c)' out
	expect 0 build --old "$work"/before/*.o --new "$work"/after/*.o --target "$work/answers" \
		-o "$work/two.wfp" --quiet
	readelf -sW "$work/two.wfp" >"$work/out"
	said ' GLOBAL DEFAULT *[0-9]* added$' out
	said ' UND wfpatch.local.helper_c.n.0$' out
}

build_refuses_objects_that_do_not_belong_together() {
	make_versions
	expect 2 diff --old "$work"/before/{answer,main}.o --new "$work"/after/{main,answer}.o
	said 'in the same order' out
	expect 1 diff --old "$work"/before/*.o --new "$work/after/answer.o"
	said '2 old objects and 1 new ones' err
	expect 1 diff --old "$work/before/answer.o"
	said 'what has changed' err
	expect 1 diff "$work/before/answer.o"
	expect 2 diff --old "$work/before/answer.o" --new "$work/missing.o"
	said 'cannot be opened: No such file' out
	expect 2 diff --old "$work/before/answer.c" --new "$work/after/answer.o"
	said 'not an x86-64 relocatable object' out
	head -c 700 "$work/after/answer.o" >"$work/cut.o"
	expect 2 diff --old "$work/before/answer.o" --new "$work/cut.o"
	expect 1 diff --old "$work/before/answer.o" --new "$work/after/answer.o" --allow anything
	said "nothing is refused as 'anything'" err
	expect 1 diff --old "$work/before/answer.o" --new "$work/after/answer.o" --allow tls
	said "'tls' cannot be allowed" err
	# Another program has a function of that name, too.
	echo 'int answer(int x) { return x; } int main(void) { return answer(1); }' >"$work/other.c"
	gcc -O0 -o "$work/other" "$work/other.c"
	expect 2 build --old "$work"/before/*.o --new "$work"/after/*.o --target "$work/other" \
		-o "$work/other.wfp"
	said '\[target\]' err
	[ ! -e "$work/other.wfp" ]
}

check_says_whether_it_would_apply() {
	local server other
	make_patch
	"$work/server" &
	server=$!
	cp /bin/sleep "$work/sleep"
	"$work/sleep" 1000 &
	other=$!
	# Both have called exec when their names have changed.
	for _ in $(seq 500); do
		[ "$(cat /proc/$server/comm)$(cat /proc/$other/comm)" != serversleep ] || break
		sleep 0.01
	done
	(
		expect 0 check "$work/fix.wfp" --pid "$server"
		said 'would be applied' out
		expect 2 check "$work/fix.wfp" --pid "$other"
		said 'does not map' err
		expect 2 check "$work/fix.wfp" --pid "$server" --pid "$other" --json
		json 0 result 'would be applied'
		json 1 status 2
		expect 0 check "$work/fix.wfp" --all
		said "^$server (server): fix would be applied" out
		expect 4 check "$work/fix.wfp" --pid 1073741824
	) && status=0 || status=1
	kill "$server" "$other"
	return "$status"
}

a_process_whose_first_thread_has_ended_is_read() {
	local leaderless status=0
	make_patch
	cat >"$work/leaderless.c" <<-'END'
	#include <pthread.h>
	#include <unistd.h>
	__attribute__((noipa)) int answer(int x) { return x * 7 + 1000 / (x + 1); }
	static void *thread(void *unused) { while (answer(1) != 3) pause(); return unused; }
	int main(void)
	{
		pthread_t id;
		pthread_create(&id, 0, thread, 0);
		pthread_exit(0);
	}
	END
	gcc -O2 -pthread -Wl,--build-id -o "$work/leaderless" "$work/leaderless.c"
	"$tool" pack "$work/fix.o" --target "$work/leaderless" --replace answer -o "$work/less.wfp"
	"$work/leaderless" &
	leaderless=$!
	for _ in $(seq 500); do
		! grep -q '^State:	Z' "/proc/$leaderless/status" || break
		sleep 0.01
	done
	(
		expect 0 check "$work/less.wfp" --pid "$leaderless"
		expect 0 check "$work/less.wfp" --all
		expect 0 status --pid "$leaderless"
	) || status=1
	kill "$leaderless"
	return "$status"
}

nobody_may_patch_the_processes_of_others() {
	if [ "$(id -u)" != 0 ]; then
		echo 'this takes root'
		return 0
	fi
	make_patch
	chmod -R a+rX "$work"
	local status=0
	setpriv --reuid 65534 --regid 65534 --clear-groups "$tool" status --pid "$holder" \
		>"$work/out" 2>"$work/err" || status=$?
	[ "$status" = 5 ]
	said 'may not trace' err
}

start_holder || { echo 'Bail out! apply_test --hold does not run'; exit 1; }
check each_command_has_help
check manual_says_what_help_says
check completion_knows_every_option
check wrong_use_is_told_apart
check files_that_are_no_patches_are_told_apart
check output_that_cannot_be_written_is_an_error
check status_shows_which_functions_lead_where
check list_finds_processes_with_patches
check missing_processes_and_patches_are_told_apart
check without_the_device_nothing_is_changed
check pack_makes_what_info_shows
check pack_refuses_what_is_not_there
check build_makes_what_diff_says
check what_a_patch_needs_of_another_file_comes_along
check build_refuses_objects_that_do_not_belong_together
check check_says_whether_it_would_apply
check a_process_whose_first_thread_has_ended_is_read
check nobody_may_patch_the_processes_of_others
all_checked

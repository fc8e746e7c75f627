# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the memcached demos share on the host: options, the VM, the table, the plot and the verdict.
# Sourced after lib.sh by a script that then sets results, and rounds and rate (the defaults), and has
# a function usage().
# shellcheck disable=SC2154
# Those variables are not set here.

clock=(--icount)
run=y
status=0
kernel=${KERNEL:-6.1}
mode=${MODE:-5level}
build=${WFPATCH_BUILD:-$WF_ROOT/build}
module=$build/module-$kernel/wfpatch.ko
common=$WF_ROOT/examples/common

parse_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		-h|--help) usage; exit 0 ;;
		--smp) clock=() ;;
		--rate) rate=${2:-}; shift ;;
		--rounds) rounds=${2:-}; shift ;;
		--no-run) run= ;;
		*) usage >&2; exit 2 ;;
		esac
		shift || { usage >&2; exit 2; }
	done
	[[ $rate =~ ^[1-9][0-9]*$ && $rounds =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
}

# run_vm SECONDS OPTION...: builds what runs, and runs it; the options are of scripts/vm
run_vm() {
	local limit=$1 started=$SECONDS
	shift
	[ -e "$module" ] || die "$module is missing; run: make module KERNEL=$kernel"
	"$here/build" "$results/bin"
	note "what runs was built in $((SECONDS - started)) s"
	started=$SECONDS
	rm -f "$results"/*.csv "$results"/*.tsv "$results"/*.png "$results"/*.log
	"$WF_SCRIPTS/vm" -k "$kernel" -m "$mode" "${clock[@]}" --time "$limit" --mem 1024 \
		--add "$module" --add "$here/demo-guest" --add "$common/guest.sh" "$@" \
		--out "$results" --log "$results/kernel.log" \
		-- /opt/demo-guest "$rate" "$rounds" | tee "$results/demo.log"
	note "the VM ran for $((SECONDS - started)) s"
}

# Sets status. Without a report there is nothing to judge.
run_demo() {
	if [ -n "$run" ]; then
		set +e
		(set -e; run_vm "$@")
		status=$?
		set -e
	fi
	[ -s "$results/report.tsv" ] ||
		die "DEMO FAILED: it did not get to its end (status $status)"
}

# latency_table KINDS HEADINGS PHASES TEXTS: a row for each phase of a turn, a column for each kind;
# then rows for the other phases named. KINDS and PHASES are separated by blanks, the others by "|".
latency_table() {
	awk -F '\t' -v kinds="$1" -v headings="$2" -v phases="$3" -v texts="$4" '
		$1 == "tally" && $3 == "load" {
			for (i = 4; i <= 11; i++)
				value[$2, i] = $i
		}
		function columns(phase) {
			if (!value[phase, 4])
				return sprintf("%8s %8s %8s %8s", "-", "-", "-", "-")
			return sprintf("%8.1f %8.1f %8.1f %8.1f", value[phase, 8] / 1e3,
				value[phase, 9] / 1e3, value[phase, 10] / 1e3, value[phase, 11] / 1e3)
		}
		END {
			nr = split(kinds, kind, " ")
			split(headings, heading, "|")
			print "\nLatency in ms, counted from the time each request was due\n"
			printf "%-24s ", ""
			for (k = 1; k <= nr; k++)
				printf k < nr ? "| %-36s" : "| %s\n", heading[k]
			printf "%-24s ", "requests due"
			for (k = 1; k <= nr; k++)
				printf "|%8s %8s %8s %8s %s", "p50", "p99", "p99.9", "max",
					k < nr ? "" : "\n"
			split("before apply after undo undone", phase, " ")
			split("before|as the fix goes in|with the fix|as it is undone|without the fix",
				text, "|")
			for (i = 1; i <= 5; i++) {
				printf "%-24s ", text[i]
				for (k = 1; k <= nr; k++)
					printf "|%s %s", columns(kind[k] "." phase[i]),
						k < nr ? "" : "\n"
			}
			print ""
			nr = split(phases, phase, " ")
			split(texts, text, "|")
			for (i = 1; i <= nr; i++)
				printf "%-24s |%s\n", text[i], columns(phase[i])
		}' "$results/report.tsv" | tee -a "$results/demo.log"
}

# draw TITLE LABEL BLUE RED GREY: the plot, with a line at each mark whose name matches one of the last
# three, which are regular expressions
draw() {
	awk -F '\t' -v blue="$3" -v red="$4" -v grey="$5" '
		$1 == "mark" && $3 ~ blue { print $2 ",0"; next }
		$1 == "mark" && $3 ~ red { print $2 ",1"; next }
		$1 == "mark" && $3 ~ grey { print $2 ",2" }' "$results/report.tsv" >"$results/marks.csv"
	gnuplot -c "$common/plot.gnuplot" "$results" "$1" "$2" || die "gnuplot failed"
	echo
	echo "Plot: ${results#"$PWD"/}/latency.png; all figures: windows.csv and report.tsv beside it"
}

# judge KINDS WHAT: every connection or thread (WHAT) was answered by the old code, then the new, then
# the old, without exception and without a step back; and no request, in any phase, failed or was
# lost. Says the verdict and ends the demo.
judge() {
	local verdict
	verdict=$(awk -F '\t' -v rounds="$rounds" -v kinds="$1" -v what="$2" '
		function complain(words) {
			if (!complaints++)
				print words
		}
		$1 == "tally" {
			sent += $4
			in_phase[$2] += $4
			if ($4 != $5 || $6 || $7)
				complain($4 - $5 " requests without a good answer in phase " $2)
		}
		$1 == "probe" {
			nr = split($2, name, ".")
			where = what " " $3 " in phase " $2
			probed[$3] = 1
			if (name[nr] ~ /^(before|undone|start)$/ && $5)
				complain(where ": the new code answered")
			if (name[nr] == "after" && $4)
				complain(where ": the old code answered")
			if (name[nr] ~ /^(before|after|undone)$/ && $4 + $5 == 0)
				complain(where ": no probe was answered")
			to_new[$3] += $6
			to_old[$3] += $7
		}
		END {
			nr_kinds = split(kinds, kind, " ")
			nr_phases = split("before apply after undo undone", phase, " ")
			for (i = 1; i <= nr_phases; i++)
				for (k = 1; k <= nr_kinds; k++)
					if (!in_phase[kind[k] "." phase[i]])
						complain("no requests in phase " kind[k] "." phase[i])
			for (p in probed) {
				nr_probed++
				if (to_new[p] != nr_kinds * rounds || to_old[p] != nr_kinds * rounds)
					complain(what " " p ": " to_new[p] + 0 \
						" changes to the new code, " to_old[p] + 0 \
						" back, not " nr_kinds * rounds)
			}
			if (!nr_probed)
				complain("no " what " was probed")
			if (complaints)
				exit 1
			printf "%d %ss changed to the fixed code and back %d times each way; " \
				"of %d requests none failed or was lost\n", nr_probed, what,
				nr_kinds * rounds, sent
		}' "$results/report.tsv") || status=1
	echo
	if [ "$status" = 0 ]; then
		echo "DEMO PASSED: $verdict"
	else
		echo "DEMO FAILED (status $status): $verdict"
	fi
	exit "$status"
}

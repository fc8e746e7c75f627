# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# What the memcached demos share in the VM: messages, the load, waiting, the kernel's hooks. Sourced.
# shellcheck disable=SC2034
# Some variables are for who sources it.

demo=/opt/demo
load=/run/mcload
workers=4
connections=8

say()
{
	printf '\n%s\n' "$*"
}

fail()
{
	printf '\ndemo: %s\n' "$*"
	[ ! -s /run/memcached.log ] || { echo '--- memcached:'; tail -n 20 /run/memcached.log; }
	[ ! -s /run/mcload.log ] || { echo '--- mcload:'; tail -n 20 /run/mcload.log; }
	exit 1
}

# wait_for WHAT COMMAND...: until it succeeds, but not for longer than 10 s
wait_for()
{
	what=$1
	shift
	for _ in $(seq 100); do
		! "$@" || return 0
		sleep 0.1
	done
	fail "$what"
}

load()
{
	$demo/control $load "$@" >/run/load.answer || fail "mcload refused: $*"
}

# start_load RATE OPTION...: the same load for all, and how it is probed
start_load()
{
	# Before the server, should both want the processor: the load is to be sent in time.
	$demo/mcload -n -5 -c $connections -W $workers -w 10 -r "$@" \
		-C $load -o /out/windows.csv -R /out/report.tsv >/run/mcload.log 2>&1 &
	mcload=$!
	wait_for 'the load does not start' [ -e $load ]
}

stop_load()
{
	load phase end
	load stop
	wait "$mcload"
	status=$?
	echo
	cat /run/mcload.log
	[ $status = 0 ] || fail "mcload's status is $status: requests failed or were lost"
}

# What each connection, or thread, was answered last, by the old or the new code.
show_probes()
{
	$demo/control $load probes >/run/probes || fail 'mcload does not answer'
	awk '/^(connection|thread)/ { what = $1 "s"; line = line "  " $2 ":" $3 }
		END { print "  " what line }' /run/probes
}

expect_probes()
{
	show_probes
	! grep -E '^(connection|thread)' /run/probes | grep -qv " $1\$" ||
		fail "not every answer is that of the $1 code"
}

# The module is the only one here that redirects functions of the kernel.
hooked_functions()
{
	grep -c ' R I ' /sys/kernel/tracing/enabled_functions
}

disarmed()
{
	[ "$(hooked_functions)" = 0 ]
}

# The module disarms them a little after the last view is gone. To look takes 30 ms: not often.
wait_until_disarmed()
{
	for _ in $(seq 40); do
		sleep 0.5
		! disarmed || return 0
	done
	fail 'hooks are still armed: see /sys/kernel/tracing/enabled_functions'
}

prepare_guest()
{
	# To put one huge page together stops this machine for 40 ms, at any moment.
	echo never >/sys/kernel/mm/transparent_hugepage/enabled
	insmod /opt/wfpatch.ko || fail 'the module cannot be loaded'
	disarmed || fail 'functions are hooked before there is a view'
}

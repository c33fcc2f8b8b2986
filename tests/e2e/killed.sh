#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Whatever kills sentry, no process of it stays: SIGKILL, SIGTERM, SIGHUP, in every phase and with many guest processes.
. "$(dirname "$0")/lib.sh"

# All descendants of $1, also those in other groups and sessions; orphans are found by their command line.
descendants()
{
	local p

	for p in $(ps -o pid= --ppid "$1"); do
		echo "$p"
		descendants "$p"
	done
}

alive()
{
	local p n=0

	for p; do
		[ -e "/proc/$p" ] && [ "$(sed 's/.*) //; s/ .*//' "/proc/$p/stat" 2>/dev/null)" != Z ] && n=$((n + 1))
	done
	echo $n
}

try()
{
	local name=$1 sig=$2 script=$3 pid all i

	"$SENTRY" do -q --platform="$SENTRY_PLATFORM" -- sh -c "$script" >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	for ((i = 0; i < 100; i++)); do
		grep -q started "$tmp/out" && break
		sleep 0.1
	done
	all=$(descendants $pid)
	[ -n "$all" ] || echo "note: $name: no descendants seen"
	kill -"$sig" $pid
	for ((i = 0; i < 100; i++)); do
		[ "$(alive $pid $all)" = 0 ] && break
		sleep 0.1
	done
	is "$name: nothing left" 0 "$(alive $pid $all)"
	for p in $all; do
		kill -KILL "$p" 2>/dev/null
	done
	wait $pid 2>/dev/null
	status=$?
}

try "SIGKILL, one process" KILL 'echo started; sleep 100'
is "status" 137 $status
try "SIGKILL, busy" KILL 'echo started; while :; do :; done'
try "SIGKILL, many processes" KILL 'for i in 1 2 3 4 5 6 7 8; do sleep 100 & done; (while :; do :; done) & echo started; wait'
try "SIGKILL, sessions of their own" KILL 'for i in 1 2 3; do setsid sleep 100 & done; echo started; wait'
try "SIGKILL, while forking" KILL 'echo started; while :; do true & done'
try "SIGTERM is passed on" TERM 'trap "exit 5" TERM; echo started; while :; do sleep 0.1; done'
is "status" 5 $status
try "SIGTERM, not caught" TERM 'echo started; sleep 100'
is "status" 143 $status

try "SIGHUP" HUP 'trap "exit 7" HUP; echo started; while :; do sleep 0.1; done'
is "status" 7 $status

# SIGKILL at a random early moment.
for ms in 1 3 5 8 12 20 35 60 100 200; do
	"$SENTRY" do -q --platform="$SENTRY_PLATFORM" -- sleep 100 </dev/null >/dev/null 2>&1 &
	pid=$!
	sleep "0.$(printf %03d $ms)"
	all=$(descendants $pid)
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null
	for ((i = 0; i < 50; i++)); do
		[ "$(alive $all)" = 0 ] && break
		sleep 0.1
	done
	is "killed after $ms ms" 0 "$(alive $all)"
done
finish

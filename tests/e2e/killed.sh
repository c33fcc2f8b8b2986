#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# Whatever kills sentry, no process of it stays: SIGKILL, SIGTERM, SIGHUP, in every phase and with many guest processes.
. "$(dirname "$0")/lib.sh"

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
	local name=$1 sig=$2 script=$3 pid all

	"$SENTRY" do -q --platform="$SENTRY_PLATFORM" -- sh -c "$script" >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	await grep -q started "$tmp/out"
	all=$(descendants $pid)
	[ -n "$all" ] || echo "note: $name: no descendants seen"
	kill -"$sig" $pid
	# shellcheck disable=SC2086
	await gone $pid $all
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
	# shellcheck disable=SC2086
	await gone $all
	is "killed after $ms ms" 0 "$(alive $all)"
done
finish

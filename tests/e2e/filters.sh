#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each kind of process that a run consists of is killed when it makes a call that it has no business with (lib/inject), as if
# it had been taken over; and the rest of the run takes it well.
. "$(dirname "$0")/lib.sh"

inject=$SENTRY_BUILD/tests/e2e/lib/inject
[ -x "$inject" ] || { problem "tests/e2e/lib/inject is not built: make e2e"; finish; }
unset SENTRY_SECCOMP
SIGSYS=31

# start SCRIPT: a guest that runs it, and its processes: $sentry, $spawner, $helper, $stub (of the first program).
start()
{
	: >"$tmp/out"
	"$SENTRY" do -q --platform="$SENTRY_PLATFORM" -- sh -c "$1" >"$tmp/out" 2>"$tmp/err" </dev/null &
	sentry=$!
	await grep -q started "$tmp/out"
	spawner=$(pgrep -P $sentry -x sentry-spawner)
	helper=$(pgrep -P $sentry -x sentry-net)
	stub=$(pgrep -P $sentry -f '^memfd:sentry|^sentry-stub' | head -n 1)
	[ -n "$stub" ] || stub=$(ps -o pid=,comm= --ppid $sentry | awk '$2 ~ /^memfd:/ { print $1; exit }')
}

# hit PROCESS CALL [ARG...]: to $hit
hit()
{
	hit=$("$inject" "$@")
	[ $? != 77 ] || { kill -KILL $sentry; skip "$hit"; }
}

start 'echo started; while :; do sleep 1; done'
hit $sentry socket 2 1
is "sentry: socket" "killed by signal $SIGSYS" "$hit"
wait $sentry 2>/dev/null
is "sentry: its status" $((128 + SIGSYS)) $?
# shellcheck disable=SC2086
await gone $spawner $helper $stub

start 'echo started; while :; do sleep 1; done'
hit $sentry execve
is "sentry: execve" "killed by signal $SIGSYS" "$hit"
wait $sentry 2>/dev/null

for call in "socket 2 1" "openat 0 0 0" "execve 0 0 0" "ptrace 0 1 0" "mount 0 0 0"; do
	start 'echo started; while :; do sleep 1; done'
	# shellcheck disable=SC2086
	hit $spawner $call
	is "spawner: $call" "killed by signal $SIGSYS" "$hit"
	kill -TERM $sentry
	wait $sentry 2>/dev/null
	is "without a spawner the guest goes on" 143 $?
done

# The helper has no filter before it has something to do.
start 'bash -c "echo x >/dev/udp/10.0.2.3/53"; echo started; while :; do sleep 1; done'
await grep -q '^Seccomp:.2' "/proc/$helper/status"
hit "$helper" execve
is "helper: execve" "killed by signal $SIGSYS" "$hit"
kill -TERM $sentry
wait $sentry 2>/dev/null
is "without a helper the guest goes on" 143 $?

start 'echo started; while :; do sleep 1; done'
hit "$stub" socket 2 1
is "stub: socket" "killed by signal $SIGSYS" "$hit"
wait $sentry 2>/dev/null
[ $? -gt 128 ] || problem "without its stub the guest's process is not killed"
finish

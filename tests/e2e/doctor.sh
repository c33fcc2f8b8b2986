#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sentry doctor: on this host, and on hosts that lack something (lib/restricted).
. "$(dirname "$0")/lib.sh"

restricted=$SENTRY_BUILD/tests/e2e/lib/restricted
[ -x "$restricted" ] || { problem "tests/e2e/lib/restricted is not built: make e2e"; finish; }

"$SENTRY" doctor >"$tmp/out" 2>&1
is "status" 0 $?
for check in kernel limits seccomp systrap ptrace landlock network rundir /proc; do
	is "$check" 1 "$(grep -cE "^(ok|missing|FAILS) +$check " "$tmp/out")"
done
for process in sentry stub "guest thread" spawner "network helper"; do
	is "$process" 1 "$(grep -cE "^  $process +[0-9]+ +[0-9]+  " "$tmp/out")"
done
is "an argument" 125 "$("$SENTRY" doctor all >/dev/null 2>&1; echo $?)"

# lacks NAME MARK PATTERN STATUS OPTION...
lacks()
{
	local name=$1 mark=$2 pattern=$3 wanted=$4 status

	shift 4
	"$restricted" "$@" -- "$SENTRY" doctor >"$tmp/out" 2>&1
	status=$?
	[ $status != 77 ] || { cat "$tmp/out"; return; }
	is "$name missing: status" "$wanted" $status
	grep -A 1 -E "^$mark +$name " "$tmp/out" | grep -q -e "$pattern" || { problem "$name missing"; cat "$tmp/out"; }
}
lacks ptrace missing "the host forbids ptrace" 0 --deny ptrace=EPERM
lacks landlock missing "lsm=landlock" 0 --deny landlock_create_ruleset=ENOSYS
lacks seccomp FAILS "the host refuses seccomp filters" 1 --deny seccomp=EPERM
lacks limits FAILS "ulimit -n" 1 --limit nofile=64
lacks systrap FAILS "execute a memfd" 1 --deny execveat=EACCES
lacks /proc missing "mount -t proc" 0 --empty /proc

if command -v jq >/dev/null; then
	"$SENTRY" doctor --json >"$tmp/json"
	is "JSON: status" 0 $?
	is "JSON: works" true "$(jq .works "$tmp/json")"
	is "JSON: checks" '"/proc","kernel","landlock","limits","network","ptrace","rundir","seccomp","systrap"' \
		"$(jq -c '[.checks[].name] | sort' "$tmp/json" | tr -d '[]')"
	is "JSON: all say something" true "$(jq '[.checks[] | (.what | length) > 0 and (.ok | type) == "boolean"] | all' "$tmp/json")"
	is "JSON: filters" '["sentry",true,"stub",true,"guest thread",true,"spawner",true,"network helper",true]' \
		"$(jq -c '[.filters[] | .process, .calls > 5 and .calls >= .by_arguments]' "$tmp/json")"
	"$restricted" --deny seccomp=EPERM -- "$SENTRY" doctor --json >"$tmp/json"
	is "JSON: a failure" '1 false ["seccomp","systrap","ptrace"]' \
		"$? $(jq -c .works "$tmp/json") $(jq -c '[.checks[] | select(.needed and (.ok | not)).name]' "$tmp/json")"
else
	echo "left out: jq is not installed"
fi
finish

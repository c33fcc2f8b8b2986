#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# Ten thousand idle threads in one guest, and thousands of processes one after the other; threads that end while others start,
# and an exec out of the midst of them.
. "$(dirname "$0")/lib.sh"

prog=$SENTRY_BUILD/tests/e2e/lib/threads
[ -x "$prog" ] || { problem "tests/e2e/lib/threads is not built: make e2e"; finish; }

# One such run on a machine at a time: two would be more tasks than the numbers there are for them.
exec 9</tmp
flock 9

# How many more tasks the host lets this user have: each guest thread is one of it and one of the sentry.
idle=10000
room()
{
	local limit=$1 what=$2

	case $limit in max | unlimited | "") return ;; esac
	while [ $((idle * 2 + 2000)) -gt "$limit" ]; do
		echo "left out: $idle threads ($what is $limit)"
		idle=$((idle / 2))
	done
}
room "$(ulimit -u)" "ulimit -u"
room "$(cat /proc/sys/kernel/threads-max)" kernel.threads-max
room "$(cat /proc/sys/kernel/pid_max)" kernel.pid_max
room "$(($(cat /proc/sys/vm/max_map_count) / 2))" "half of vm.max_map_count"
for max in /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max; do
	[ ! -r $max ] || room "$(cat $max)" $max
done

is "$idle idle threads" "$idle threads, all woken, all ended" \
	"$(guest --pids=$((idle + 100)) --memory=2g -- "$prog" idle $idle 2>&1)"
is "threads that end and start" "20 rounds" "$(guest -- "$prog" races 20 2>&1)"
is "exec out of threads" "40 times" "$(guest -- "$prog" exec 40 2>&1)"
is "2000 processes" "2000 processes" "$(guest -- "$prog" processes 2000 2>&1)"
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# SIGKILL at any moment of a run with --rw: the image is recovered by the next run, and by e2fsck, is clean then, and has all
# that was synchronised.  tests/crash has the power cuts.
. "$(dirname "$0")/lib.sh"
need e2fsck mke2fs
debian_image

rw=$tmp/rw.img
cp --sparse=always "$image" "$rw" || exit 1

# Each number that is said was written and synchronised before.
work='i=$1; mkdir -p /work; while :; do
	i=$((i + 1)); d=/work/d$((i % 7)); mkdir -p $d
	echo "number $i" >$d/f$i; cp /bin/true $d/new; mv $d/new $d/old; ln -sf f$i $d/last; rm -f $d/f$((i - 70))
	sync; echo $i
done'
last=0
for round in 1 2 3 4 5 6 7 8 9 10; do
	: >"$tmp/said"
	setsid "$SENTRY" run -q --platform="$SENTRY_PLATFORM" --rw "$rw" -- sh -c "$work" sh "$last" >"$tmp/said" 2>"$tmp/err" </dev/null &
	pid=$!
	# Every third is killed wherever it is, opening the image perhaps.
	[ $((round % 3)) = 0 ] || await [ -s "$tmp/said" ]
	sleep "0.$((RANDOM % 7))$((RANDOM % 10))"
	kill -KILL $pid
	wait $pid 2>/dev/null
	said=$(tail -n 1 "$tmp/said")
	[ -n "$said" ] || [ $((round % 3)) = 0 ] || problem "round $round: nothing was done: $(cat "$tmp/err")"
	last=${said:-$last}
	cp --sparse=always "$rw" "$tmp/copy"
	e2fsck -p "$tmp/copy" >"$tmp/fsck" 2>&1
	[ $? -le 1 ] || problem "round $round: e2fsck -p: $(cat "$tmp/fsck")"
	e2fsck -fn "$tmp/copy" >"$tmp/fsck" 2>&1
	is "round $round: clean after e2fsck -p" 0 $? || cat "$tmp/fsck"
	for ((i = 0; i < 600; i++)); do
		got=$("$SENTRY" run -q --platform="$SENTRY_PLATFORM" --rw "$rw" -- cat "/work/d$((last % 7))/f$last" 2>"$tmp/err") && break
		grep -q "in use" "$tmp/err" || break
		sleep 0.1
	done
	is "round $round: what was synchronised" "number $last" "$got" || cat "$tmp/err"
	e2fsck -fn "$rw" >"$tmp/fsck" 2>&1
	is "round $round: clean after the next run" 0 $? || cat "$tmp/fsck"
done
finish

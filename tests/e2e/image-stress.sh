#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# Processes that do random things to one image at once: e2fsck finds nothing then, and what a second run and debugfs read is what the
# first one saw at its end.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
need e2fsck debugfs mke2fs
debian_image
native=$SENTRY_BUILD/tests/e2e/lib/fs-stress
[ -x "$native" ] || skip "tests/e2e/lib/fs-stress is not built"
seed=${SENTRY_STRESS_SEED:-1} steps=${SENTRY_STRESS_STEPS:-2500}
[ "$(id -u)" = 0 ] || skip "the files of the image are root's"

rw=$tmp/rw.img
stress=(-v "$SENTRY_BUILD/tests/e2e/lib:/mnt:ro" -w /root)

# rounds NAME OPTION...: three runs, the last list of each is what is found afterwards.
rounds()
{
	local name=$1 round

	shift
	for round in 1 2 3; do
		run_image "$@" "${stress[@]}" "$rw" -- sh -c "mkdir -p s && cd s && /mnt/fs-stress run $((seed * 10 + round)) 4 $steps &&
			/mnt/fs-stress list" >"$tmp/seen" 2>"$tmp/err"
		is "$name, round $round: status" 0 $?
		is "$name, round $round: no errors" "" "$(head -n 5 "$tmp/err")"
		run_image "$@" "${stress[@]}" "$rw" -- sh -c 'cd s && /mnt/fs-stress list' >"$tmp/again"
		cmp -s "$tmp/seen" "$tmp/again" || { problem "$name, round $round: another run"; diff "$tmp/seen" "$tmp/again" | head -n 10; }
		is "$name, round $round: something to look at" yes "$([ "$(wc -l <"$tmp/seen")" -gt 60 ] && echo yes)"
	done
}

# judged NAME: the image is clean, and debugfs reads the same files from it.
judged()
{
	e2fsck -fn "$rw" >"$tmp/fsck" 2>&1
	is "$1: e2fsck" 0 $? || head -n 20 "$tmp/fsck"
	rm -rf "$tmp/dump" && mkdir "$tmp/dump"
	debugfs -R "rdump /root/s $tmp/dump" "$rw" >/dev/null 2>&1
	(cd "$tmp/dump/s" && "$native" list) | grep -v '^10000 ' >"$tmp/dumped"
	grep -v '^10000 ' "$tmp/seen" >"$tmp/want"
	cmp -s "$tmp/want" "$tmp/dumped" || { problem "$1: debugfs"; diff "$tmp/want" "$tmp/dumped" | head -n 10; }
}

cp --sparse=always "$image" "$rw" || exit 1
rounds "--rw" --rw
judged "--rw"
cp --sparse=always "$image" "$rw"
rounds "--overlay" --overlay "$tmp/over"
"$SENTRY" commit "$rw" --overlay "$tmp/over" 2>"$tmp/err"
is "commit" 0 $?
judged "committed"
finish

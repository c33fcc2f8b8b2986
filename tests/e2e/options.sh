#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Options of run and do: -e --env-file -w -u -v --hostname --read-only --memory --pids, and that they end at the command.
. "$(dirname "$0")/lib.sh"

is "-e KEY=VALUE" "two words" "$(guest -e X='two words' -- sh -c 'echo "$X"')"
is "-e KEY takes it from the caller" "here" "$(FROM_HERE=here guest -e FROM_HERE -- sh -c 'echo "$FROM_HERE"')"
is "the last -e wins" "2" "$(guest -e X=1 -e X=2 -- sh -c 'echo "$X"')"
printf '# comment\nA=1\n\nB=a b\n' >"$tmp/env"
is "--env-file" "1,a b" "$(guest --env-file="$tmp/env" -- sh -c 'echo "$A,$B"')"
is "do keeps the environment" "kept" "$(KEPT=kept guest -- sh -c 'echo "$KEPT"')"

is "do keeps the directory" "$tmp" "$(cd "$tmp" && guest -- pwd)"
is "-w" "/usr/lib" "$(guest -w /usr/lib -- pwd)"
guest -w /no/such/dir -- true 2>/dev/null </dev/null
is "-w of a missing directory" 125 $?

is "--hostname" "box" "$(guest --hostname=box -- uname -n)"
is "the host's name is left alone" "$(uname -n)" "$(guest --hostname=box -- true; uname -n)"

is "-u UID:GID" "1234:2345" "$(guest -u 1234:2345 -- sh -c 'echo "$(id -u):$(id -g)"')"
is "-u NAME" "$(id -u nobody)" "$(guest -u nobody -- id -u)"
is "do keeps the user" "$(id -u):$(id -g)" "$(guest -- sh -c 'echo "$(id -u):$(id -g)"')"

mkdir "$tmp/vol"
echo outside >"$tmp/vol/file"
is "-v reads" "outside" "$(guest -v "$tmp/vol:/mnt" -- cat /mnt/file)"
guest -v "$tmp/vol:/mnt:rw" -- sh -c 'echo inside >/mnt/new; mkdir /mnt/d; mv /mnt/file /mnt/d/moved'
is "-v rw writes" "inside" "$(cat "$tmp/vol/new" 2>&1)"
is "-v rw renames" "outside" "$(cat "$tmp/vol/d/moved" 2>&1)"
guest -v "$tmp/vol:/mnt:rw" -- sh -c 'echo over >/mnt/d/other; mv -f /mnt/d/other /mnt/d/moved'
is "-v rw renames over a file" "over" "$(cat "$tmp/vol/d/moved" 2>&1)"
guest -v "$tmp/vol:/mnt:ro" -- sh -c 'echo x >/mnt/no' 2>/dev/null
is "-v ro refuses" 2 $?
[ ! -e "$tmp/vol/no" ] || problem "-v ro wrote"
is "-v ro is a read-only file system" "Read-only file system" \
	"$(guest -v "$tmp/vol:/mnt:ro" -- sh -c 'mkdir /mnt/x' 2>&1 | sed 's/.*: //')"

echo before >"$tmp/data"
guest -- sh -c "echo after >'$tmp/data'; rm -rf '$tmp/vol'; touch '$tmp/created'"
is "do writes to a throw-away overlay" "before" "$(cat "$tmp/data")"
[ -e "$tmp/vol/new" ] && [ ! -e "$tmp/created" ] || problem "the overlay was not thrown away"
is "within the run the overlay is real" "after gone" \
	"$(guest -- sh -c "echo after >'$tmp/data'; rm -rf '$tmp/vol'; cat '$tmp/data' | tr '\n' ' '; [ -e '$tmp/vol' ] || echo gone")"
guest --read-only -- sh -c "echo x >'$tmp/data'" 2>/dev/null
is "--read-only refuses" 2 $?
guest --read-only -- sh -c 'cat /etc/passwd >/dev/null && echo x >/dev/null'
is "--read-only reads, and devices work" 0 $?

is "options end at the command" "--timeout -q" "$(guest -- printf "%s " --timeout -q | sed "s, $,,")"
is "options end at the command without --" "x" "$("$SENTRY" do -q printf x)"
is "sysinfo shows --memory" "yes" \
	"$(guest --memory=256m -- sh -c 'set -- $(grep MemTotal /proc/meminfo); [ $2 -le 262144 ] && echo yes || echo "$2"')"

is "-q is silent" "" "$("$SENTRY" do -q --platform="$SENTRY_PLATFORM" -- true 2>&1)"
log=$("$SENTRY" do -v -v --log="$tmp/log" --platform="$SENTRY_PLATFORM" -- true 2>&1)
is "--log takes the messages" "" "$log"
finish

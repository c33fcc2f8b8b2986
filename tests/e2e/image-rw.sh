#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# --rw: what the guest changes is in the image afterwards, the file system's own contract programs run on it as natively, and
# e2fsck finds nothing; who else opens it is refused.
. "$(dirname "$0")/lib.sh"
need e2fsck mke2fs debugfs
debian_image

rw=$tmp/rw.img
cp --sparse=always "$image" "$rw" || exit 1

clean()
{
	e2fsck -fn "$rw" >"$tmp/fsck" 2>&1
	is "$1: e2fsck" 0 $? || head -n 20 "$tmp/fsck"
}

run_image --rw "$rw" -- sh -c 'echo kept >/root/kept && mkdir /root/d && ln -s kept /root/l && chmod 600 /root/kept &&
	cp -a /etc /root/etc && rm -rf /root/etc/[a-p]*'
is "status" 0 $?
clean "after a run"
is "kept" kept "$(run_image "$rw" -- cat /root/l)"
is "kept, by debugfs" kept "$(debugfs -R 'cat /root/kept' "$rw" 2>/dev/null)"

# Two at a time.
"$SENTRY" run -q --platform="$SENTRY_PLATFORM" --rw "$rw" -- sh -c 'trap "exit 5" TERM; echo up; while :; do sleep 0.1; done' \
	>"$tmp/up" 2>/dev/null &
pid=$!
await grep -q up "$tmp/up"
run_image --rw "$rw" -- true 2>"$tmp/err"
is "second writer" 125 $?
is "says so" 1 "$(grep -c 'in use by another sentry' "$tmp/err")"
run_image "$rw" -- true 2>"$tmp/err"
is "reader" 125 $?
kill "$pid"
wait "$pid" 2>/dev/null
clean "after SIGTERM"

# Changes beside the image.
before=$(sha256sum <"$rw")
run_image --overlay "$tmp/over" "$rw" -- sh -c 'echo first >/root/first; rm /root/kept'
run_image --overlay "$tmp/over" "$rw" -- sh -c 'cat /root/first; ls /root/kept 2>/dev/null; echo second >/root/second; sync' >"$tmp/out"
is "the overlay goes on" first "$(cat "$tmp/out")"
is "the image is as it was" "$before" "$(sha256sum <"$rw")"
is "without it" kept "$(run_image "$rw" -- sh -c 'cat /root/kept; cat /root/first 2>/dev/null')"

# What it changes, by name.
run_image --overlay "$tmp/over3" "$rw" -- sh -c 'cd /root && mkdir -p n/sub && echo x >n/sub/f && chmod 600 /etc/passwd &&
	echo more >>kept && ln -s a "odd
name" && rm l && mkdir l && mkfifo p && setfattr -n user.a -v b d 2>/dev/null; rm -rf etc; true'
over3=$(sha256sum <"$tmp/over3")
"$SENTRY" diff "$rw" --overlay "$tmp/over3" | grep -v ' /root/etc/\| /etc/resolv.conf\|/etc/[a-z]*-\? (mtime)\| dir /root/d ' >"$tmp/out"
is "diff" "M file /etc/passwd (mode)
D dir /root/etc
M file /root/kept (content, mtime)
D link /root/l
A dir /root/l
A dir /root/n
A dir /root/n/sub
A file /root/n/sub/f
A link /root/odd\\012name
A fifo /root/p" "$(cat "$tmp/out")"
is "diff changes nothing" "$before $over3" "$(sha256sum <"$rw") $(sha256sum <"$tmp/over3")"
is "as JSON" '{"change": "modified", "type": "file", "path": "/root/kept", "mode": "0600", "size": 10, "what": ["content", "mtime"]}' \
	"$("$SENTRY" diff --json "$rw" --overlay="$tmp/over3" | sed -n 's/^  *//; s/,$//; /root\/kept/p')"
is "diff of nothing" 125 "$("$SENTRY" diff "$rw" --overlay "$tmp/missing" 2>/dev/null; echo $?)"
cp --sparse=always "$rw" "$tmp/base.img"
cp "$tmp/over" "$tmp/over2"
is "commit" 0 "$("$SENTRY" commit "$tmp/base.img" --overlay "$tmp/over2" >"$tmp/err" 2>&1; echo $?)" || cat "$tmp/err"
is "no overlay any more" no "$([ -e "$tmp/over2" ] && echo yes || echo no)"
is "committed" "first second" "$(echo $(run_image "$tmp/base.img" -- sh -c 'cat /root/first /root/second; ls /root/kept 2>/dev/null'))"
is "clean" 0 "$(e2fsck -fn "$tmp/base.img" >/dev/null 2>&1; echo $?)"
is "an overlay of another image" 125 "$("$SENTRY" commit "$tmp/base.img" --overlay "$tmp/over" 2>/dev/null; echo $?)"
is "both at once" 125 "$(run_image --rw --overlay "$tmp/over" "$rw" -- true 2>/dev/null; echo $?)"
is "tmpfs" "1024 no" "$(run_image --tmpfs /m/n:size=1m "$rw" -- sh -c 'dd if=/dev/zero of=/m/n/x bs=1k count=2000 2>/dev/null
	echo $(($(stat -c %s /m/n/x) / 1024)) $([ -e /root/first ] && echo yes || echo no)')"

# The contract programs, by the same user in both.
as="-w /root -e TMPDIR=/root"
[ "$(id -u)" = 0 ] || as="-u $(id -u):$(id -g) -w /var/tmp -e TMPDIR=/var/tmp"
"$SENTRY" run --help | grep -q -- '--rw' || problem "help"
for program in "$SENTRY_BUILD"/tests/contract/file-*; do
	name=${program##*/}
	case $name in *.o | *.musl* | *.no-pie | *.static) continue ;; esac
	[ -x "$program" ] || continue
	mkdir -p "$tmp/native"
	(cd "$tmp/native" && "$program" </dev/null >"$tmp/native.out" 2>/dev/null; echo "status $?" >>"$tmp/native.out")
	# shellcheck disable=SC2086
	run_image --rw=nobarrier -v "$SENTRY_BUILD/tests/contract:/contract:ro" $as "$rw" -- "/contract/$name" \
		</dev/null >"$tmp/guest.out" 2>"$tmp/guest.err"
	echo "status $?" >>"$tmp/guest.out"
	rm -rf "$tmp/native"
	checks=$((checks + 1))
	cmp -s "$tmp/native.out" "$tmp/guest.out" && continue
	problem "$name on the image"
	diff -U 2 "$tmp/native.out" "$tmp/guest.out" | head -n 30
	head -n 5 "$tmp/guest.err"
done
clean "after the contract programs"
finish

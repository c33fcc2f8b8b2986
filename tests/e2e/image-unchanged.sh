#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# A run that writes, removes, renames and chmods everywhere leaves the image byte for byte as it was; copy-up is right.
. "$(dirname "$0")/lib.sh"
if alpine_dir >/dev/null; then alpine_image; else debian_image; fi

cp --sparse=always "$image" "$tmp/image"
before=$(sha256sum <"$tmp/image")
stamp=$(stat -c '%Y %s' "$tmp/image")
is "a writing run" "done" "$(run_image "$tmp/image" -- sh -c '
set -e
cp /etc/passwd /tmp/passwd
echo "added:x:9:9::/:/bin/sh" >>/etc/passwd
tail -n 1 /etc/passwd | grep -q ^added
cmp /etc/passwd /tmp/passwd >/dev/null 2>&1 && exit 1
head -n 3 /etc/passwd | cmp - /tmp/head 2>/dev/null || :
mv /etc/hosts /etc/hosts.moved 2>/dev/null || :
rm -rf /usr/share/*
[ -z "$(ls /usr/share)" ]
mkdir /usr/share/new /newdir
echo text >/usr/share/new/file
chmod 700 /etc
chown 5:6 /etc/passwd
ln /etc/passwd /newdir/hard
ln -s /etc /newdir/link
[ "$(stat -c %h /etc/passwd)" = 2 ]
[ "$(stat -c %u:%g:%a /etc/passwd)" = 5:6:644 ]
mv /newdir /newer
[ -e /newer/link/passwd ]
dd if=/dev/zero of=/big bs=65536 count=300 2>/dev/null
[ "$(wc -c </big)" = 19660800 ]
printf X | dd of=/big bs=1 seek=10000000 conv=notrunc 2>/dev/null
i=0; while [ $i -lt 300 ]; do echo $i >/newer/f$i; i=$((i + 1)); done
[ "$(ls /newer | wc -l)" = 302 ]
sync
echo done' 2>&1)"
is "the image is byte for byte the same" "$before" "$(sha256sum <"$tmp/image")"
is "its time and size" "$stamp" "$(stat -c '%Y %s' "$tmp/image")"
is "the next run starts from the image" "0 yes" \
	"$(run_image "$tmp/image" -- sh -c 'grep -c ^added /etc/passwd; [ -n "$(ls /usr/share)" ] && [ ! -e /big ] && echo yes' | tr '\n' ' ' | sed 's/ $//')"
chmod 444 "$tmp/image"
is "a read-only image file" "ok" "$(run_image "$tmp/image" -- sh -c 'echo x >/etc/new && echo ok' 2>&1)"
is "two runs at a time" "ab" "$( (run_image "$tmp/image" -- sh -c 'echo a >/x; sleep 1; cat /x' & run_image "$tmp/image" -- sh -c 'echo b >/x; sleep 1; cat /x' & wait) | sort | tr -d '\n')"
is "removed files stay removed, whiteouts are not seen" "gone" "$(run_image "$tmp/image" -- sh -c '
rm /etc/passwd; mkdir /etc/passwd; rmdir /etc/passwd; [ -e /etc/passwd ] || { ls -a /etc | grep -q passwd$ && echo seen || echo gone; }' 2>&1)"
finish

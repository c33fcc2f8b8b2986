#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Every applet of Alpine's busybox, with --help, and a good many that do their work: what they print is what they print in a chroot.
. "$(dirname "$0")/lib.sh"

alpine=$(alpine_dir) || skip "no Alpine material beside the repository, and no ALPINE_DIR"
[ "$(id -u)" = 0 ] || skip "a chroot to compare with needs root"
need unshare chroot
root=$tmp/root
mkdir "$root"
tar -xzf "$alpine"/alpine-minirootfs-*.tar.gz -C "$root" || { problem "the root file system could not be unpacked"; finish; }

cat >"$root/help.sh" <<'GUEST'
for a in $(busybox --list); do
	echo "== $a"
	busybox "$a" --help </dev/null 2>&1
	echo "status $?"
done
GUEST
cat >"$root/work.sh" <<'GUEST'
exec 2>&1
mkdir -p /tmp/w; cd /tmp/w
seq 1000 >n; cp n m; ln -s n l; ln n h
for c in "cat n|md5sum" "sort -rn n|head -n 3" "awk '{s+=\$1}END{print s}' n" "sed -n 5p n" "grep -c 7 n" "wc n" "cut -c1 n|uniq -c|sort|tail -n 2" \
	"tr 0-9 a-j <n|tail -n 1" "od -c n|head -n 2" "hexdump -C n|head -n 2" "xxd n|tail -n 1" "base64 n|head -n 1" "sha256sum n" "cksum n" "sum n" "crc32 n" \
	"gzip -c n|gunzip|cmp - n" "bzip2 -c n|bunzip2|cmp - n" "xz -c n|unxz|cmp - n" "tar cf - n|tar tf -" "echo n|cpio -o -H newc|cpio -t" "diff n m" \
	"echo x>>m;diff n m" "cmp n m" "comm -3 n m" "paste -s -d+ n|bc" "expr 6 '*' 7" "factor 1234567890" "dc -e '2 100 ^ p'" "find . -type l" "stat -c %h%F n" \
	"readlink l" "realpath l" "basename /a/b.c .c" "dirname /a/b" "du -a .|wc -l" "ls -l l|cut -c1-10" "chmod 640 n;stat -c %a n" "chown 5:6 m;stat -c %u:%g m" \
	"mkfifo f;(echo x>f&);cat f" "mktemp -u|wc -c" "tac n|head -n 1" "rev n|tail -n 1" "shuf n|sort -n|cmp - n" "split -l 500 n s;ls s*" "nl n|tail -n 1" \
	"fold -w 3 n|wc -l" "expand n|cmp - n" "strings n|wc -l" "dd if=n bs=10 count=2 2>/dev/null" "truncate -s 7 m;wc -c m" "test -L l&&echo link" \
	"printf '%5.2f|%-4s|%x\n' 3.14159 ab 255" "date -u -d @86400 +%F" "cal 2 2024" "env -i A=1 env" "id -un" "hostname -s>/dev/null" "nproc>/dev/null" "timeout 1 sleep 9;echo \$?" \
	"sh -c 'kill -TERM \$\$';echo \$?" "echo a b c|xargs -n 1 echo" "yes|head -n 2" "tee t <n|cmp - n" "install -m 700 n i;stat -c %a i" "vi -h|head -n 1" \
	"uudecode --help|head -n 1" "uuencode n n|tail -n 2|head -n 1" "sha3sum n" "mount|wc -l>/dev/null" "cat /proc/self/comm" "ash -c 'set -- 1 2;echo \$#'" "unzip -h|head -n 1" \
	"flock n echo locked" "setsid echo new" "nice -n 3 nice" "ipcalc -n 10.1.2.3/8" "rm -rf /tmp/w;echo \$?"; do
	echo "== $c"
	sh -c "$c"
	echo "status $?"
done
GUEST
for what in help work; do
	unshare -fpm sh -c 'mount --rbind /dev "$0/dev"; mount -t proc proc "$0/proc"; exec chroot "$0" /bin/sh /$1.sh' "$root" $what \
		</dev/null >"$tmp/native" 2>&1
	rm -rf "$root/tmp/w"
	run_image "$root" -- /bin/sh /$what.sh </dev/null >"$tmp/guest" 2>"$tmp/err"
	is "$what: as in a chroot" "$(md5sum <"$tmp/native")" "$(md5sum <"$tmp/guest")" ||
		diff "$tmp/native" "$tmp/guest" | head -n 60
done
is "there are applets" yes "$([ "$(grep -c '^== ' "$tmp/native")" -gt 50 ] && echo yes)"
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# sentry cp, both ways: names as docker's, links, modes, times, archives, and what a guest must not do with them.
. "$(dirname "$0")/lib.sh"
need tar

export XDG_RUNTIME_DIR=$tmp/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
sentry() { timeout -s KILL 60 "$SENTRY" "$@"; }
x() { sentry exec g "$@"; }
sentry do -q -d --name g --platform "$SENTRY_PLATFORM" --tmpfs /mnt -- sleep 1000 >/dev/null
trap 'sentry kill g; rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
# list DIR: all that copies keep
list() { (cd "$1" && find . -printf '%P %M %s %l %TY-%Tm-%Td %TH:%TM\n' | sed 's/ [0-9]* *\( [0-9-]* [0-9:]*\)$/\1/' | sort); }
sums() { (cd "$1" && find . -type f -exec md5sum {} + | sort -k 2); }

mkdir -p tree/sub/deep tree/empty
head -c 300000 /dev/urandom >tree/big
echo text >tree/sub/file
: >tree/nothing
head -c 512 /dev/zero >tree/block
ln -s ../big tree/sub/link
ln -s nowhere tree/dangling
mkdir -p "tree/$(printf 'n%.0s' {1..120})"
echo long >"tree/$(printf 'n%.0s' {1..120})/file with spaces"
chmod 751 tree/sub; chmod 4711 tree/big; chmod 400 tree/sub/file
find tree -exec touch -h -d '2020-02-03 04:05' {} +

is "a tree goes in" 0 "$(sentry cp tree g:/mnt; echo $?)"
is "and comes out" 0 "$(sentry cp g:/mnt/tree out; echo $?)"
is "as it was" "$(list tree)" "$(list out)"
is "in all bytes" "$(sums tree)" "$(sums out)"
is "in the guest too" "-rws--x--x root 2020-02-03 drwxr-x--x" "$(x sh -c 'echo $(stat -c "%A %U" /mnt/tree/big) $(date -r /mnt/tree/big +%F) $(stat -c %A /mnt/tree/sub)')"

is "to a directory" text "$(mkdir dir; sentry cp g:/mnt/tree/sub/file dir; cat dir/file)"
is "by another name" text "$(sentry cp g:/mnt/tree/sub/file dir/name; cat dir/name)"
is "over a file" text "$(echo old >over; sentry cp g:/mnt/tree/sub/file over; cat over)"
is "what is in a directory" "file link" "$(mkdir in; sentry cp g:/mnt/tree/sub/. in; ls in | grep -v deep | tr '\n' ' ' | sed 's/ $//')"
is "a directory to a directory" "sub" "$(mkdir into; sentry cp g:/mnt/tree/sub into; ls into)"
is "a directory over a file" 125 "$(sentry cp g:/mnt/tree over 2>/dev/null; echo $?)"
is "a file to a directory that is missing" 125 "$(sentry cp g:/mnt/tree/sub/file missing/ 2>/dev/null; echo $?)"
is "below what is missing" 125 "$(sentry cp g:/mnt/tree/sub/file no/such 2>/dev/null; echo $?)"
is "what is missing" "125 125" "$(sentry cp g:/mnt/nosuch . 2>/dev/null; echo -n "$? "; sentry cp nosuch g:/mnt 2>/dev/null; echo $?)"
sentry cp tree/sub/file g:/mnt/name
is "the same into the guest" text "$(sentry cp tree/sub/file g:/mnt/name; x cat /mnt/name)"
is "to its directory" text "$(x mkdir /mnt/d; sentry cp tree/sub/file g:/mnt/d/; x cat /mnt/d/file)"
is "a directory to one" sub "$(x mkdir /mnt/e; sentry cp tree/sub g:/mnt/e; x ls /mnt/e)"
is "its contents" "file link" "$(sentry cp tree/sub/. g:/mnt/d; x ls /mnt/d | grep -v deep | tr '\n' ' ' | sed 's/ $//')"
is "a directory over its file" 125 "$(sentry cp tree g:/mnt/name 2>/dev/null; echo $?)"
is "a link is copied" "../big" "$(sentry cp g:/mnt/tree/sub/link l; readlink l)"
is "or what it leads to" "$(md5sum <tree/big)" "$(sentry cp -L g:/mnt/tree/sub/link followed; md5sum <followed)"
is "an archive out" "sub/ sub/deep/ sub/file sub/link" "$(sentry cp g:/mnt/tree/sub - | tar tf - | sort | tr '\n' ' ' | sed 's/ $//')"
is "an archive in" "$(sums tree)" "$(x mkdir /mnt/t; tar cf - tree | sentry cp - g:/mnt/t; sentry cp g:/mnt/t/tree back; sums back)"
is "pax, hard links" "same" "$(mkdir hard; echo 1 >hard/a; ln hard/a hard/b; tar --format=pax -cf - hard | sentry cp - g:/mnt; x sh -c '[ /mnt/hard/a -ef /mnt/hard/b ] && echo same')"
is "an archive to a file" 125 "$(tar cf - hard | sentry cp - g:/mnt/name 2>/dev/null; echo $?)"
is "nonsense for an archive" 125 "$(head -c 2000 /dev/urandom | sentry cp - g:/mnt 2>/dev/null; echo $?)"
if [ "$(id -u)" = 0 ]; then
	x chown nobody /mnt/tree/sub/file
	is "owners" "root nobody" "$(sentry cp g:/mnt/tree/sub/file plain; sentry cp -a g:/mnt/tree/sub/file owned; echo $(stat -c %U plain owned))"
	is "owners in the guest" "root nobody" "$(sentry cp owned g:/mnt/o1; sentry cp -a owned g:/mnt/o2; echo $(x stat -c %U /mnt/o1 /mnt/o2))"
fi

# An archive whose names lead elsewhere, through a link or by dots.
python3 - <<'PY' >evil.tar
import io, sys, tarfile
t = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")
link = tarfile.TarInfo("top/link"); link.type = tarfile.SYMTYPE; link.linkname = "/mnt/victim"; t.addfile(link)
f = tarfile.TarInfo("top/link/file"); f.size = 2; t.addfile(f, io.BytesIO(b"x\n"))
t.close()
PY
is "not through a link" "125 none" "$(x mkdir /mnt/victim /mnt/v; sentry cp - g:/mnt/v <evil.tar 2>/dev/null; echo -n "$? "; x sh -c 'ls /mnt/victim | grep . || echo none')"
is "not by dots" "125 none" "$(python3 -c '
import io, sys, tarfile
t = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")
f = tarfile.TarInfo("top/../../victim/file"); f.size = 2; t.addfile(f, io.BytesIO(b"x\n")); t.close()' | sentry cp - g:/mnt/v 2>/dev/null; echo -n "$? "; x sh -c 'ls /mnt/victim | grep . || echo none')"
is "one side is a guest" 125 "$(sentry cp a b 2>/dev/null; echo $?)"
is "no such guest" 125 "$(sentry cp nosuch:/a . 2>/dev/null; echo $?)"
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# mount -t overlay in a guest, over tmpfs, over the guest's root and over an image that is written, as the host's own does it.
. "$(dirname "$0")/lib.sh"
need python3 unshare

cat >"$tmp/script" <<'EOF'
# $1: a directory to work in
cd "$1" || exit 1
mkdir l1 l2 u w m
mkdir -p l1/d/sub l2/d l2/only2 l1/gone l1/full
echo a >l1/a; echo l2a >l2/a; echo b >l2/b; echo x >l1/d/x; echo y >l2/d/y; echo s >l1/d/sub/s; ln -s a l1/link
echo big >l1/full/f1; echo exec >l1/e; chmod 4755 l1/e; chmod 640 l1/b2 2>/dev/null; touch -d '2001-02-03 04:05:06' l1/e l1/d
ln l1/a l1/hard; mkfifo l1/p; echo o >l2/only2/o
r() { "$@" 2>&1 | sed 's/^[a-z]*: //'; echo "= ${PIPESTATUS[0]}"; }
mount -t overlay overlay -o lowerdir=l1:l2,upperdir=u,workdir=w m || exit 1
stat -f -c %t m
ls -R m
cat m/a m/b m/d/x m/d/y m/link
stat -c '%a %s %Y %F' m/e; stat -c '%a %Y %F' m/d; stat -c '%a %s %F' m/link m/p
echo "-- copy up"
echo more >>m/a; cat m/a l1/a; ls u; cat m/hard; stat -c %h m/hard
chmod 600 m/e; stat -c '%a %s %Y' m/e; stat -c '%a' l1/e
echo deep >>m/d/sub/s; ls -R u; stat -c '%Y' m/d
mv m/link m/link2; readlink m/link2 ; ls -l m/link 2>&1 | wc -l
touch m/d/new; ln m/d/new m/d/new2; stat -c %h m/d/new2
exec 5<m/b; echo changed >m/b; cat <&5; exec 5<&-; cat m/b l2/b
echo "-- whiteouts"
rm m/a m/d/y; r cat m/a; ls m m/d; stat -c '%F %t %T' u/a u/d/y
echo again >m/a; cat m/a; stat -c %F u/a
rm -r m/d; ls m; stat -c '%F' u/d
mkdir m/d; ls -A m/d; echo z >m/d/z; ls m/d; getfattr -n trusted.overlay.opaque --only-values u/d 2>/dev/null; echo
getfattr -d -m - m/d 2>/dev/null
r rmdir m/full; rm m/full/f1; r rmdir m/full; ls m
echo "-- renames"
r mv -T m/gone m/gone2
python3 - <<'P'
import os, errno
def t(f,*a):
    try: f(*a); print("ok")
    except OSError as e: print(errno.errorcode[e.errno])
os.makedirs('m/up/in'); t(os.rename,'m/up','m/up2'); print(sorted(os.listdir('m')))
t(os.rename,'m/only2','m/x'); t(os.rename,'m/b','m/bb'); print(sorted(os.listdir('m')), sorted(os.listdir('u')))
t(os.rename,'m/up2','m/only2'); os.unlink('m/only2/o'); t(os.rename,'m/up2','m/only2'); print(os.listdir('m/only2'))
t(os.link,'m/e','m/e2'); print(os.stat('m/e').st_nlink, os.stat('m/e').st_ino==os.stat('m/e2').st_ino)
t(os.mknod,'m/wh',0o20000|0o600,0); t(os.mkdir,'m/a'); t(os.rmdir,'m/a'); t(os.unlink,'m/only2')
fd=os.open('m/mm',os.O_RDWR|os.O_CREAT); os.write(fd,b'x'*5000)
import mmap; mp=mmap.mmap(fd,5000); mp[0:3]=b'abc'; print(os.pread(fd,4,0), open('u/mm','rb').read(4)); mp.close()
os.ftruncate(fd,10); print(os.fstat(fd).st_size, os.stat('m/mm').st_size, os.stat('u/mm').st_size)
os.unlink('m/mm'); print(os.fstat(fd).st_nlink, os.pread(fd,3,0))
fd=os.open('m/hard',os.O_RDONLY); os.unlink('m/hard'); print(os.path.exists('m/hard'),oct(os.fstat(fd).st_mode), os.pread(fd,2,0)); print(sorted(os.listdir('m')))
for i in range(300): open('m/d/f%d'%i,'w').write(str(i))
print(len(os.listdir('m/d')))
for n in os.listdir('m/d'): os.unlink('m/d/'+n)
t(os.rmdir,'m/d')
print(os.access('m/e',os.X_OK), os.stat('m').st_dev==os.stat('m/e').st_dev)
P
umount m
echo "-- again"
mount -t overlay overlay -o lowerdir=l1:l2,upperdir=u,workdir=w m && ls -A m && cat m/a && umount m
mount -t overlay overlay -o lowerdir=l1:l2 m && ls m && r touch m/x && r rm m/a && umount m
r mount -t overlay overlay -o upperdir=u,workdir=w m >/dev/null; r mount -t overlay o -o lowerdir=l1,upperdir=u m >/dev/null
find u l1 l2 | LC_ALL=C sort; ls -A w/work
EOF

mkdir "$tmp/native"
unshare -rm sh -c "mount -t tmpfs none $tmp/native && cd $tmp/native && mkdir l u w m &&
	mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m" 2>/dev/null || skip "this host mounts no overlay"
[ "$(id -u)" = 0 ] || skip "natively, overlays with trusted attributes are root's"
unshare -m sh -c "mount -t tmpfs none $tmp/native && exec bash $tmp/script $tmp/native" >"$tmp/want" 2>&1

guest -- sh -c "mkdir /tmp/o && mount -t tmpfs none /tmp/o && exec bash $tmp/script /tmp/o" >"$tmp/got" 2>&1
is "over tmpfs" "" "$(diff "$tmp/want" "$tmp/got")"
guest -- sh -c "mkdir /tmp/o && exec bash $tmp/script /tmp/o" >"$tmp/got" 2>&1
is "over the guest's root" "" "$(diff "$tmp/want" "$tmp/got")"

# Where there is no python, on an image: up to there, and e2fsck has nothing to say of what is left.
if command -v e2fsck mke2fs >/dev/null; then
	debian_image
	cp --sparse=always "$image" "$tmp/rw.img" || exit 1
	sed '/^python3/,/^P$/d; /^umount m$/,$d' "$tmp/script" >"$tmp/short"
	unshare -m sh -c "mount -t tmpfs none $tmp/native && exec bash $tmp/short $tmp/native" >"$tmp/want" 2>&1
	# The image has no mount(8): the host's, with its libraries.
	{
		echo 'host() { /h/lib64/ld-linux-x86-64.so.2 --library-path /h/lib/x86_64-linux-gnu:/h/usr/lib/x86_64-linux-gnu "$@"; }'
		echo 'mount() { host /h/bin/mount "$@"; }; umount() { host /h/bin/umount "$@"; }'
		cat "$tmp/short"
	} >"$tmp/short2"
	run_image -v "$tmp:/t:ro" -v /:/h:ro --rw "$tmp/rw.img" -- sh -c "mkdir /root/o && exec bash /t/short2 /root/o" >"$tmp/got" 2>&1
	is "over an image" "" "$(diff "$tmp/want" "$tmp/got")"
	e2fsck -fn "$tmp/rw.img" >"$tmp/fsck" 2>&1
	is "e2fsck" 0 $?
fi
finish

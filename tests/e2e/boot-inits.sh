#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# Debian with other inits: sysvinit as debootstrap made it, apt-get and dpkg in it, and runit in its place, on an image that is written.
# $SENTRY_TEST_DEBIAN is a directory with what no network is used for:
#     root/   debootstrap --variant=minbase --exclude=systemd-sysv --include=sysvinit-core,orphan-sysvinit-scripts,login,procps,mount,util-linux
#     *.deb   runit runit-init runit-helper getty-run sysuser-helper
. "$(dirname "$0")/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
[ -n "${SENTRY_TEST_DEBIAN:-}" ] || skip "no Debian material: set SENTRY_TEST_DEBIAN"
[ "$(id -u)" = 0 ] || skip "the files of a debootstrap tree are root's"
need mke2fs e2fsck dpkg-deb
export XDG_RUNTIME_DIR=$tmp/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
sentry() { timeout -s KILL 300 "$SENTRY" "$@"; }
x() { sentry exec d "$@"; }
trap '"$SENTRY" kill d 2>/dev/null; rm -rf "$tmp"' EXIT

make_image()
{
	mkdir -p "${1%/*}" && truncate -s 700M "$1" && mke2fs -q -t ext4 -b 4096 -d "$SENTRY_TEST_DEBIAN/root" "$1"
}
base=$SENTRY_BUILD/tests/images/debian-sysv.img
made "$base" make_image "$base.new" || { problem "the image could not be made"; finish; }
image=$tmp/debian.img
cp --sparse=always "$base" "$image"

prompted() { sentry logs d | grep -q 'login:'; }
is_off() { [ -z "$(sentry ls -q)" ]; }
power_on()
{
	sentry boot -q -d --name d --platform "$SENTRY_PLATFORM" --rw "$image" >/dev/null
	await prompted || { problem "no login"; sentry logs d | tail -n 40; }
}
off_and_clean()
{
	await is_off || { problem "not off"; sentry logs d | tail -n 30; }
	is "$1: status 0" 1 "$(sentry ls -a --json | grep -c '"status":0')"
	e2fsck -fn "$image" >"$tmp/fsck" 2>&1
	is "$1: the image is clean" 0 $?
	sentry rm -f d
}

power_on
is "sysvinit" "init N 2" "$(x cat /proc/1/comm) $(x runlevel)"
is "nothing fails" "" "$(sentry logs d | grep -iE 'fail|error|unable')"
is "getty on the console" 1 "$(x ps -e -o tty,args | grep -c '^tty1 .*getty')"
mkdir -p "$tmp/pkg/DEBIAN" "$tmp/pkg/usr/bin"
printf 'Package: hello-local\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: says so\n' >"$tmp/pkg/DEBIAN/control"
printf '#!/bin/sh\necho $1 >/var/log/hello-local\n' >"$tmp/pkg/DEBIAN/postinst"
printf '#!/bin/sh\necho hello\n' >"$tmp/pkg/usr/bin/hello-local"
chmod 755 "$tmp/pkg/DEBIAN/postinst" "$tmp/pkg/usr/bin/hello-local"
dpkg-deb --root-owner-group -b "$tmp/pkg" "$tmp/hello-local.deb" >/dev/null
is "apt-get install of a file" "0 hello configure" "$(sentry cp "$tmp/hello-local.deb" d:/var/tmp/; x apt-get install -y /var/tmp/hello-local.deb >"$tmp/out" 2>&1
	echo "$? $(x hello-local) $(x cat /var/log/hello-local)" | tr '\n' ' ' | sed 's/ $//')" || tail -n 5 "$tmp/out"
is "dpkg knows it" "ii hello-local" "$(x dpkg -l hello-local | awk '/^ii/ { print $1, $2 }')"
is "apt-get remove" 127 "$(x apt-get remove -y hello-local >/dev/null 2>&1; x hello-local 2>/dev/null; echo $?)"
is "dpkg --audit" "0" "$(x dpkg --audit; echo $?)"
x poweroff
off_and_clean sysvinit

# The scripts that would shut the machine down are runit's now, and init is not: it is switched off, and the journal replayed.
power_on
x mkdir /var/tmp/debs
for deb in "$SENTRY_TEST_DEBIAN"/*.deb; do
	sentry cp "$deb" d:/var/tmp/debs
done
is "runit takes its place" 0 "$(x sh -c 'cd /var/tmp/debs; DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ./*.deb' >"$tmp/out" 2>&1; echo $?)" ||
	tail -n 5 "$tmp/out"
x sync
sentry kill d
await is_off
sentry rm -f d

power_on
is "runit" "runit" "$(x cat /proc/1/comm)"
is "it watches services" "runsvdir" "$(x ps -e -o comm | sort -u | grep runsvdir)"
is "a service that is killed comes back" yes "$(x sh -c 'p=$(pgrep -o -f "getty.*tty2"); kill -9 $p; for i in $(seq 100); do n=$(pgrep -o -f "getty.*tty2"); [ -n "$n" ] && [ "$n" != "$p" ] && break; sleep 0.2; done; [ "$n" != "$p" ] && echo yes')"
x init 0
off_and_clean runit
finish

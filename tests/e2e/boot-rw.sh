#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
# A machine that keeps what it is told: Alpine booted with --rw, packages from a server, sshd reached from outside, services, reboots,
# power off with a clean image each time, and a death in the middle of `apk add`.
. "$(dirname "$0")/lib.sh"

alpine=$(alpine_dir) || skip "no Alpine material beside the repository, and no ALPINE_DIR"
PATH=$PATH:/usr/sbin:/sbin
need python3 mke2fs e2fsck
[ "$(id -u)" = 0 ] || need fakeroot
export XDG_RUNTIME_DIR=$tmp/run
mkdir -m 700 "$XDG_RUNTIME_DIR"

# Two ports that are free now: of the packages' server and of the guest's sshd.
read -r http ssh <<<"$(python3 -c '
import socket
a, b = socket.socket(), socket.socket()
a.bind(("127.0.0.1", 0)); b.bind(("127.0.0.1", 0))
print(a.getsockname()[1], b.getsockname()[1])')"
(cd "$alpine" && exec python3 -m http.server --bind 127.0.0.1 "$http") >"$tmp/http.log" 2>&1 &
server=$!
trap '"$SENTRY" kill m 2>/dev/null; kill $server 2>/dev/null; chmod -R u+rwx "$tmp"; rm -rf "$tmp"' EXIT

over=$tmp/over
mkdir -p "$over"/etc/{runlevels/{sysinit,boot,default},network,apk/keys,init.d,local.d,conf.d} "$over/usr/local/bin"
# On a disk, an initramfs has mounted /sys.
ln -s /etc/init.d/cgroups /etc/init.d/sysfs "$over/etc/runlevels/sysinit/"
ln -s /etc/init.d/networking "$over/etc/runlevels/boot/"
ln -s /etc/init.d/local "$over/etc/runlevels/default/"
printf 'auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n' >"$over/etc/network/interfaces"
printf 'root:::0:::::\nbin:!::0:::::\ndaemon:!::0:::::\nnobody:!::0:::::\n' >"$over/etc/shadow"
chmod 640 "$over/etc/shadow"
cp "$alpine/sentry-test.rsa.pub" "$over/etc/apk/keys/"
printf 'http://10.0.2.2:PORT/v3.19/main\nhttp://10.0.2.2:PORT/v3.19/boot\n' >"$over/etc/apk/repositories"
printf '#!/bin/sh\necho boot >>/root/boots\n' >"$over/etc/local.d/count.start"
cat >"$over/etc/init.d/watched" <<'SVC'
#!/sbin/openrc-run
supervisor=supervise-daemon
command=/bin/sleep
command_args="4321"
respawn_delay=1
SVC
chmod 755 "$over/etc/local.d/count.start" "$over/etc/init.d/watched"
base=$SENTRY_BUILD/tests/images/alpine-boot-rw.img
made "$base" "$alpine/mkimage.sh" -o "$base.new" -r -p alpine-base -x "$over" || { problem "the image could not be made"; finish; }
image=$tmp/alpine.img
cp --sparse=always "$base" "$image"

sentry() { timeout -s KILL 600 "$SENTRY" "$@"; }
x() { sentry exec m "$@"; }
prompts() { sentry logs m | grep -c 'login:'; }
has_prompts() { [ "$(prompts)" -ge "$1" ]; }
is_off() { [ -z "$(sentry ls -q)" ]; }
power_on()
{
	sentry boot -q -d --name m --platform "$SENTRY_PLATFORM" --rw --host-loopback -p "127.0.0.1:$ssh:22" "$image" >/dev/null
	await has_prompts 1 || { problem "no login"; sentry logs m | tail -n 30; }
}
power_off()
{
	x poweroff
	await is_off || { problem "not off"; sentry logs m | tail -n 30; sentry kill m; }
	is "$1: off, with status 0" 1 "$(sentry ls -a --json | grep -c '"status":0')"
	e2fsck -fn "$image" >"$tmp/fsck" 2>&1
	is "$1: the image is clean" 0 $?
	grep -v '^e2fsck\|^Pass' "$tmp/fsck" | tail -n 3 >"$tmp/last"
}

power_on
is "no service fails" "" "$(sentry logs m | grep -E 'fail|Fail|ERROR|unknown key')"
is "an address by DHCP" 1 "$(x ip addr show eth0 | grep -c 'inet 10.0.2.15/24')"
is "local.d" 1 "$(await x test -s /root/boots; x grep -c boot /root/boots)"
x sed -i "s/PORT/$http/" /etc/apk/repositories
is "apk update" 0 "$(x apk update >"$tmp/out" 2>&1; echo $?)"
is "apk add" 0 "$(x apk add openssh >"$tmp/out" 2>&1; echo $?)"
is "apk info, policy, search" "openssh openssh openssh" "$(x apk info -e openssh) $(x apk policy openssh | sed -n 's/ policy:$//p') $(x apk search -e openssh | sed 's/-[0-9].*//' | head -n 1)"
x rc-update add sshd default >/dev/null 2>&1
is "rc-service start" 0 "$(x rc-service sshd start >/dev/null 2>&1; echo $?)"
is "rc-status" 1 "$(x rc-status default | grep -c 'sshd .*started')"
is "restart" 0 "$(x rc-service sshd restart >/dev/null 2>&1; echo $?)"
if command -v ssh >/dev/null && command -v ssh-keygen >/dev/null; then
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/key"
	x sh -c 'mkdir -m 700 -p /root/.ssh; cat >/root/.ssh/authorized_keys; chmod 600 /root/.ssh/authorized_keys' <"$tmp/key.pub"
	login() { timeout 300 ssh -q -F /dev/null -i "$tmp/key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p "$ssh" root@127.0.0.1 "$@"; }
	is "ssh from outside" "root in" "$(echo in | login 'echo $(id -un) $(cat)')"
	is "ssh: status" 9 "$(login 'exit 9'; echo $?)"
	is "ssh: a terminal" 1 "$(login -tt tty </dev/null | grep -c '^/dev/pts/[0-9]')"
fi
is "syslog" 1 "$(x logger -t sentrytest 'a line'; await x grep -q 'sentrytest: a line' /var/log/messages; x grep -c 'sentrytest: a line' /var/log/messages)"
is "crond runs" 1 "$(x rc-status | grep -c 'crond .*started')"
is "supervise-daemon" 0 "$(x rc-service watched start >/dev/null 2>&1; echo $?)"
first=$(await x pgrep -f 'sleep 4321' | head -n 1)
x pkill -9 -f '^/bin/sleep 4321'
again() { new=$(x pgrep -f '^/bin/sleep 4321'); [ -n "$new" ] && [ "$new" != "$first" ]; }
is "it starts what was killed again" 0 "$(await again; echo $?)"
is "a service in its own cgroup" "0::/openrc.watched" "$(x sh -c 'cat /proc/$(pgrep -f "^/bin/sleep 4321" | head -n 1)/cgroup')"
is "stop" 0 "$(x rc-service watched stop >/dev/null 2>&1; echo $?)"
is "stopped" "" "$(x pgrep -f 'sleep 4321')"
is "apk del" 0 "$(x apk del openssh-sftp-server openssh >/dev/null 2>&1; echo $?)"
is "apk audit" "" "$(x apk audit --system 2>/dev/null | grep -vE '^[AUDdm] (etc|lib/apk|root|run|var|dev|proc|sys|tmp)')"
x sync

# Three restarts, of which the last two are after a power off; what was written stays.
for i in 1 2 3; do
	x sh -c "echo round $i >>/root/kept"
	x reboot
	await has_prompts 2 || { problem "round $i: no login after reboot"; sentry logs m | tail -n 30; }
	is "round $i: kept" "$(seq -f 'round %g' "$i")" "$(x cat /root/kept)"
	power_off "round $i"
	sentry rm m
	power_on
done
is "boots were counted" 7 "$(await eval '[ "$(x grep -c boot /root/boots)" = 7 ]'; x grep -c boot /root/boots)"

# A death in the middle of apk add: what is there is a whole file system, and apk mends the rest.
x apk del openssh-server >/dev/null 2>&1
x sh -c 'apk add git jq; echo end' >"$tmp/add" 2>&1 &
adding=$!
await grep -q 'Installing git' "$tmp/add"
kill -9 "$(sentry ls --json | sed -n 's/.*"pid":\([0-9]*\).*/\1/p')"
wait $adding
is "it was killed while it installed" "" "$(grep '^end' "$tmp/add")"
await is_off
sentry rm m
power_on
is "apk fix" 0 "$(x apk fix >"$tmp/out" 2>&1; echo $?)"
is "apk add again" 0 "$(x apk add git jq >"$tmp/out" 2>&1; r=$?; [ $r = 0 ] || cat "$tmp/out"; echo $r)"
is "apk verify of what is installed" "" "$(x apk audit --system 2>/dev/null | grep -E '^[XUD] (usr|bin|sbin|lib)/')"
is "git runs" 1 "$(x git --version | grep -c '^git version')"
power_off "after a death"
sentry rm m
finish

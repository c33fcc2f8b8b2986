#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# Debian's systemd as the init of a machine that says it is a container: to multi-user without a failed unit, units started and stopped,
# each in its own cgroup, and off.
. "$(dirname "$0")/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
need dpkg-query mke2fs debugfs
for p in systemd systemd-sysv dbus libpam-systemd; do
	[ "$(dpkg-query -W -f='${db:Status-Status}' $p 2>/dev/null)" = installed ] || skip "the package $p is not installed"
done
export XDG_RUNTIME_DIR=$tmp/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
image=$SENTRY_BUILD/tests/images/debian-systemd.img
made "$image" "$SENTRY_SRC/tools/mkimage.sh" "$image.new" base-files bash coreutils dash dbus grep libpam-modules libpam-systemd login \
	mawk mount passwd procps python3 sed systemd systemd-sysv util-linux || { problem "the image could not be made"; finish; }

sentry() { timeout -s KILL 100 "$SENTRY" "$@"; }
x() { sentry exec d "$@"; }
wait_for() { local end=$(($(date +%s) + $1)); shift; until "$@"; do [ "$(date +%s)" -lt "$end" ] || return 1; sleep 0.2; done; }
prompted() { sentry logs d | grep -q 'login:'; }
is_off() { [ -z "$(sentry ls -q)" ]; }

sentry boot -q -d --name d --platform "$SENTRY_PLATFORM" -e container=sentry "$image" systemd.firstboot=off systemd.condition-first-boot=off >/dev/null
wait_for 100 prompted || { problem "no login"; sentry logs d | tail -n 40; }
state=$(x systemctl is-system-running --wait)
is "nothing failed" "running " "$state $(x systemctl --failed --plain --no-legend --no-pager | cut -d ' ' -f 1 | tr '\n' ' ' | sed 's/ $//')"
is "multi-user" "active active active" "$(x systemctl is-active multi-user.target systemd-logind dbus | tr '\n' ' ' | sed 's/ $//')"
is "it knows where it is" "container-other" "$(x systemd-detect-virt -c | sed 's/^sentry$/container-other/')"
is "a transient unit, in a cgroup of its own" "0::/system.slice/one.service 5 " \
	"$( (x systemd-run -q --unit one --wait --pipe sh -c 'cat /proc/self/cgroup; exit 5'; echo $?) | tr '\n' ' ')"
is "its limit of memory" 1 \
	"$(x systemd-run -q --unit two --wait --pipe -p MemoryMax=32M python3 -c 'x = [bytes([1]) * 1048576 for i in range(100)]' 2>&1; \
	x journalctl --no-pager -u two | grep -c "oom-kill")"
x sh -c 'printf "[Service]\nExecStart=/bin/sleep 7654\nRestart=always\n" >/run/systemd/system/three.service; systemctl daemon-reload'
is "start" "active" "$(x systemctl start three; x systemctl is-active three)"
first=$(x systemctl show -P MainPID three)
x kill -9 "$first"
again() { new=$(x systemctl show -P MainPID three); [ "$new" != 0 ] && [ "$new" != "$first" ]; }
is "it starts again what was killed" 0 "$(wait_for 30 again; echo $?)"
is "stop" "inactive" "$(x systemctl stop three; x systemctl is-active three)"
is "the journal" 1 "$(x sh -c 'echo to the journal | systemd-cat -t sentrytest; journalctl --sync; journalctl --no-pager -t sentrytest' | grep -c 'to the journal')"
x systemctl poweroff
is "off" 0 "$(wait_for 100 is_off; echo $?)"
is "with status 0" 1 "$(sentry ls -a --json | grep -c '"status":0')"
sentry rm -f d
finish

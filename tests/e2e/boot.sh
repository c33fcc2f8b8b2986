#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 2400
# `sentry boot`: Alpine's OpenRC up to a login, a shell with job control on the console, poweroff, reboot, SIGTERM.
. "$(dirname "$0")/lib.sh"

alpine=$(alpine_dir) || skip "no Alpine material beside the repository, and no ALPINE_DIR"
command -v mke2fs >/dev/null || PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || need fakeroot
need python3

# Root without a password, and OpenRC's usual services.
mkdir -p "$tmp/over/etc/runlevels/sysinit" "$SENTRY_BUILD/tests/images"
ln -s /etc/init.d/cgroups "$tmp/over/etc/runlevels/sysinit/cgroups"
printf 'root:::0:::::\nbin:!::0:::::\ndaemon:!::0:::::\nnobody:!::0:::::\n' >"$tmp/over/etc/shadow"
chmod 640 "$tmp/over/etc/shadow"
image=$SENTRY_BUILD/tests/images/alpine-boot.img
made "$image" "$alpine/mkimage.sh" -o "$image.new" -r -p "alpine-base" -x "$tmp/over" || { problem "the image could not be made"; finish; }

# talk EXPECT SEND ... : a conversation on a pseudo-terminal; prints what was seen, and the status.
talk()
{
	python3 - "$SENTRY" boot --platform "$SENTRY_PLATFORM" --timeout 500 --stop-timeout 400 "$image" -- "$@" <<'PY'
import os, pty, re, select, sys, time
split = sys.argv.index("--")
command, script = sys.argv[1:split], sys.argv[split + 1:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(command[0], command)
seen, mark = b"", 0
def read(deadline):
    global seen
    r, _, _ = select.select([fd], [], [], max(0, deadline - time.time()))
    if not r:
        return False
    try:
        data = os.read(fd, 4096)
    except OSError:
        return None
    if not data:
        return None
    seen += data
    return True
for want, send in zip(script[::2], script[1::2]):
    deadline = time.time() + 400
    while True:
        m = re.search(want.encode(), seen[mark:])
        if m:
            mark += m.end()
            break
        if not read(deadline):
            print("never seen:", want)
            print(seen.decode(errors="replace"))
            os.kill(pid, 9)
            sys.exit(1)
    if send.startswith("SIG"):
        import signal
        os.kill(pid, getattr(signal, send))
    else:
        if send == '\\x03':
            time.sleep(1) # until the program runs
        os.write(fd, send.encode().decode("unicode_escape").encode())
while read(time.time() + 400):
    pass
_, status = os.waitpid(pid, 0)
sys.stdout.write(seen.decode(errors="replace").replace("\r", ""))
print("\nstatus", os.waitstatus_to_exitcode(status))
PY
}

out=$(talk 'login: ' 'root\n' '# ' 'tty; id -un; echo $((6*7)); cat /proc/1/comm; rc-status -s >/dev/null && echo sta''tus-ok\n' \
	'status-ok' 'echo rea''dy; sleep 100\n' 'ready' '\x03' '# ' 'echo inter''rupted; sleep 100 & jobs\n' 'Running' 'poweroff\n')
is "a login" "1" "$(grep -c '^/dev/tty1$' <<<"$out")"
is "a shell" "root 42 init" "$(grep -xE 'root|42|init' <<<"$out" | tr '\n' ' ' | sed 's/ $//')"
is "^C reaches the foreground" "1" "$(grep -c '^interrupted' <<<"$out")"
is "poweroff" "status 0" "$(tail -n 1 <<<"$out")"
is "no service fails" "" "$(grep -E 'fail|Fail|ERROR' <<<"$out")"

out=$(talk 'login: ' 'root\n' '# ' 'reboot\n' 'starting up Linux' '' 'login: ' 'root\n' '# ' 'poweroff\n')
is "reboot starts it again" "2 status 0" "$(grep -c 'OpenRC .* is starting up' <<<"$out") $(tail -n 1 <<<"$out")"

out=$(talk 'login: ' SIGTERM 'Stopping busybox crond' '')
is "SIGTERM powers off" "status 0" "$(tail -n 1 <<<"$out")"

out=$(talk 'login: ' SIGTERM 'Stopping' SIGTERM)
is "a second one kills" "status 137" "$(tail -n 1 <<<"$out")"

"$SENTRY" boot --platform "$SENTRY_PLATFORM" --timeout 300 --console "$tmp/log" --kernel-cmdline "init=/bin/sh quiet foo=bar" \
	-e A=B "$image" -c 'echo $1 $A $foo; mount -t proc proc /proc; cat /proc/cmdline; exit 7' x y
is "init's own status" 7 $?
is "a console in a file, init= and words for it" "y B bar console=ttyS0 init=/bin/sh quiet foo=bar" "$(tr -d '\r' <"$tmp/log" | tr '\n' ' ' | sed 's/ $//')"
finish

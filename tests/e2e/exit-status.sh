#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The exit status of sentry: the guest's own, 128+n, 124, 125, 126, 127.
. "$(dirname "$0")/lib.sh"

status()
{
	local name=$1 want=$2

	shift 2
	"$@" </dev/null >"$tmp/out" 2>"$tmp/err"
	is "$name" "$want" "$?" || sed 's/^/    /' "$tmp/err" | head -n 5
}

for n in 0 1 2 77 124 125 126 127 128 200 255; do
	status "exit $n" $n guest -- sh -c "exit $n"
done
for sig in HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM; do
	status "killed by SIG$sig" $((128 + $(kill -l $sig))) guest -- sh -c "kill -$sig \$\$"
done
status "a real fault" 139 guest -- /usr/bin/python3 -S -c 'import ctypes; ctypes.string_at(8)'
status "timeout" 124 guest --timeout=1 -- sleep 60
status "timeout of a guest that ignores signals" 124 guest --timeout=1 -- sh -c 'trap "" TERM HUP INT; while :; do :; done'
status "no timeout" 3 guest --timeout=600 -- sh -c 'exit 3'
status "unknown option" 125 guest --no-such-option -- true
status "unknown platform" 125 "$SENTRY" do --platform=nonesuch -- true
status "no command" 125 guest --
status "bad size" 125 guest --memory=lots -- true
status "bad user" 125 guest -u no-such-user-here -- true
status "missing image" 125 run_image "$tmp/missing.img" -- true
status "unknown subcommand" 125 "$SENTRY" nonesuch
status "not found" 127 guest -- no-such-program-anywhere
status "path not found" 127 guest -- /no/such/program
status "a directory" 126 guest -- /etc
echo 'echo no mode' >"$tmp/plain"
chmod 644 "$tmp/plain"
status "not executable" 126 guest -- "$tmp/plain"
printf '\177ELF broken' >"$tmp/broken"
chmod 755 "$tmp/broken"
status "not a program" 126 guest -- "$tmp/broken"
status "--help" 0 "$SENTRY" --help
status "help run" 0 "$SENTRY" help run
status "--version" 0 "$SENTRY" --version

# Who runs as process 1 without having been made for it is sent no orphans.
cat >"$tmp/orphans.py" <<'EOF'
import os, signal, time
seen = []
signal.signal(signal.SIGCHLD, lambda *a: seen.append(a))
r, w = os.pipe()
if os.fork() == 0:
    me = os.getpid()
    if os.fork() == 0:
        while os.getppid() == me:
            time.sleep(0.01)
        os.write(w, b"orphan\n")
        os._exit(7)
    os._exit(3)
os.close(w)
print(os.waitstatus_to_exitcode(os.wait()[1]), len(seen))
print(os.read(r, 100), os.read(r, 100))
time.sleep(0.1)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child", len(seen))
EOF
is "orphans" "$(python3 "$tmp/orphans.py")" "$(guest -- python3 "$tmp/orphans.py")"

for cmd in "guest -- no-such-program-anywhere" "guest --no-such-option -- true" "guest -- /etc"; do
	lines=$($cmd 2>&1 </dev/null | wc -l)
	[ "$lines" -ge 1 ] && [ "$lines" -le 3 ] || problem "$cmd: $lines lines of message"
done
finish

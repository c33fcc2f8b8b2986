#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 200
# A run ends within a bounded time by SIGTERM twice, SIGINT twice or --timeout, whatever its threads are stuck in: tests/hostile/lib/stuck.c
# makes them stick.  Stubs and helpers are gone then, the terminal is as it was, and the exit status is as documented.
. "$(dirname "$0")/lib.sh"

need python3
lib=$SENTRY_BUILD/tests/hostile/lib/stuck.so
[ -e "$lib" ] || skip "tests/hostile/lib/stuck.so is not built"
nm -D "$SENTRY" | grep -q __asan_init && skip "the address sanitizer has its own malloc"
nm -D "$SENTRY" | grep -q __tsan_init && skip "the thread sanitizer has its own malloc"

descendants()
{
	local p

	for p in $(ps -o pid= --ppid "$1"); do
		echo "$p"
		descendants "$p"
	done
}

alive()
{
	local p n=0

	for p; do
		[ -e "/proc/$p" ] && [ "$(sed 's/.*) //; s/ .*//' "/proc/$p/stat" 2>/dev/null)" != Z ] && n=$((n + 1))
	done
	echo $n
}

# A guest in which a process sticks (after random bytes: $1), while others run, sleep and fork.
script='
import os, sys, time, ctypes
how = int(sys.argv[1])
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
if os.fork() == 0:
    while True: pass
if os.fork() == 0:
    while True:
        if os.fork() == 0: os._exit(0)
        os.wait()
if os.fork() == 0:
    time.sleep(0.3)
    os.getrandom(how) if how else None
    time.sleep(1000)
print("started", flush=True)
time.sleep(0.3)
if how == 1: os.getrandom(71)
time.sleep(1000)
'

# try NAME HOW STATUS OPTIONS SIGNAL...: the run ends within 20 s
try()
{
	local name=$1 how=$2 wanted=$3 opts=$4 pid all i sig

	shift 4
	# shellcheck disable=SC2086
	LD_PRELOAD=$lib "$SENTRY" do -q --platform="$SENTRY_PLATFORM" $opts -- python3 -S -c "$script" "$how" >"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		grep -q started "$tmp/out" && break
		sleep 0.1
	done
	sleep 1
	all=$(descendants $pid)
	for sig; do
		kill -"$sig" $pid
		sleep 0.3
	done
	for ((i = 0; i < 600; i++)); do
		[ "$(alive $pid $all)" = 0 ] && break
		sleep 0.1
	done
	is "$name: nothing left" 0 "$(alive $pid $all)"
	kill -KILL $pid 2>/dev/null
	wait $pid
	is "$name: status" "$wanted" $?
}

try "SIGTERM twice, a guest that ignores it" 0 137 "" TERM TERM
try "SIGINT twice, a guest that ignores it" 0 137 "" INT INT
try "--timeout, a guest that ignores signals" 0 124 "--timeout=2"
for how in 71 73 79; do
	try "SIGTERM twice, stuck as by $how" $how 137 "" TERM TERM
done
try "SIGINT twice, the first process stuck in a loop" 1 137 "" INT INT
try "SIGTERM three times: at once" 79 137 "" TERM TERM TERM
try "--timeout, all stuck" 79 124 "--timeout=2"
try "--timeout, the first process stuck in a loop" 1 124 "--timeout=2"

# The terminal: raw by the guest's doing, and the output stopped.
is "the terminal's modes" "137 True" "$(LD_PRELOAD='' python3 -c '
import os, pty, sys, time, termios, signal, subprocess
m, s = pty.openpty()
before = termios.tcgetattr(s)
env = dict(os.environ, LD_PRELOAD=sys.argv[1])
p = subprocess.Popen([os.environ["SENTRY"], "do", "-q", "--platform=" + os.environ["SENTRY_PLATFORM"], "--", "python3", "-S", "-c",
    "import tty,os,time; tty.setraw(0); print(\"started\", flush=True); os.getrandom(71)"],
    stdin=s, stdout=s, stderr=s, env=env, start_new_session=True)
got = b""
while b"started" not in got: got += os.read(m, 100)
time.sleep(0.5)
raw = termios.tcgetattr(s) != before
for i in range(2):
    p.send_signal(signal.SIGTERM)
    time.sleep(0.3)
status = p.wait()
print(status, raw and termios.tcgetattr(s) == before)
' "$lib" 2>"$tmp/err")"

# Nobody reads what it would say.
mkfifo "$tmp/fifo"
exec 9<>"$tmp/fifo"
dd if=/dev/zero of="$tmp/fifo" bs=65536 count=1 oflag=nonblock 2>/dev/null
LD_PRELOAD=$lib "$SENTRY" do -q --platform="$SENTRY_PLATFORM" --timeout=1 -- python3 -S -c 'import os; os.getrandom(71)' >/dev/null 2>"$tmp/fifo" 9>&- &
pid=$!
for ((i = 0; i < 600; i++)); do
	[ "$(alive $pid)" = 0 ] && break
	sleep 0.1
done
is "standard error is full" 0 "$(alive $pid)"
kill -KILL $pid 2>/dev/null
wait $pid
is "standard error is full: status" 124 $?
exec 9>&-
finish

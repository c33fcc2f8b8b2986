#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# A guest that forks, allocates, opens and writes without end meets its limits; sentry ends cleanly, the host is unharmed.
. "$(dirname "$0")/lib.sh"

guest --pids=50 --timeout=600 -- bash -c 'bomb() { bomb | bomb & }; bomb; sleep 3' >"$tmp/out" 2>&1
st=$?
case $st in 0 | 1 | 124 | 137 | 254) ;; *) problem "fork bomb: exit status $st" ;; esac
guest --pids=20 --timeout=600 -- /usr/bin/python3 -S -c '
import os, errno, sys
n = 0
try:
    while True:
        if os.fork() == 0:
            os.read(0, 1) if False else __import__("time").sleep(60)
        n += 1
except OSError as e:
    print(errno.errorcode[e.errno], 10 < n < 20)
    sys.stdout.flush()
    os._exit(0)
' >"$tmp/out" 2>"$tmp/err"
is "fork meets --pids" "EAGAIN True" "$(cat "$tmp/out")"

is "allocation meets --memory" "MemoryError or killed" "$(
	guest --memory=128m --timeout=600 -- /usr/bin/python3 -S -c '
a = []
try:
    while True:
        a.append(bytearray(1 << 20))
except MemoryError:
    a = None
    print("MemoryError")
' >"$tmp/out" 2>"$tmp/err"
	st=$?
	if [ $st = 137 ] || [ "$(cat "$tmp/out")" = MemoryError ]; then echo "MemoryError or killed"; else echo "status $st"; cat "$tmp/err"; fi)"

# Touching pages far beyond the limit, not only asking for them.
guest --memory=64m --timeout=600 -- /usr/bin/python3 -S -c '
import mmap
m = mmap.mmap(-1, 1 << 30)
for i in range(0, 1 << 30, 4096):
    m[i] = 1
' >"$tmp/out" 2>"$tmp/err"
st=$?
[ $st = 137 ] || [ $st = 135 ] || [ $st = 1 ] || problem "touching 1 GiB with 64 MiB: exit status $st"

is "file descriptors" "EMFILE" "$(guest --timeout=600 -- /usr/bin/python3 -S -c '
import os, errno, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
except OSError as e:
    print(errno.errorcode[e.errno])
')"

# A full file system is an error of who writes; nobody is killed for it.
for dir in /tmp /dev/shm; do
	is "filling $dir" "No space left on device, sleeper lives, new programs run, room again" "$(
		guest --memory=128m --timeout=600 -- bash -c '
			sleep 1000 & sleeper=$!
			cat /dev/zero 2>&1 >'$dir'/e2e-fill | sed "s/.*: //" | tr "\n" ","
			[ '$dir' = /tmp ] || { cat /dev/zero >/tmp/e2e-fill; } 2>/dev/null
			kill -0 $sleeper && printf " sleeper lives,"
			/bin/true && printf " new programs run,"
			rm '$dir'/e2e-fill
			head -c 1M /dev/zero >'$dir'/e2e-fill && echo " room again"' 2>"$tmp/err")"
	grep -q "out of memory" "$tmp/err" && problem "filling $dir: $(cat "$tmp/err")"
	[ ! -e $dir/e2e-fill ] || problem "filling $dir has reached the host"
done
# Init is spared where others have more.
is "init lives" "killed 137, init goes on" "$(guest --memory=64m --timeout=600 -- bash -c '
	sleep 1000 & sleep 1000 &
	/usr/bin/python3 -S -c "a = bytearray(1 << 30)"
	s=$?
	[ $s = 1 ] && s=137 # MemoryError
	echo "killed $s, init goes on"' 2>/dev/null)"

for addr in 0 1 4096 0x7fffffffefff 0x800000000000 0xffffffffff600000 0xffffffffffffffff; do
	guest -- /usr/bin/python3 -S -c "import ctypes; ctypes.memset($addr, 1, 8)" >/dev/null 2>&1
	is "write to $addr" 139 $?
done
is "threads without end" "limited" "$(guest --pids=100 --timeout=600 -- /usr/bin/python3 -S -c '
import threading, time
try:
    for i in range(1000):
        threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
    print("unlimited")
except RuntimeError:
    print("limited")
import os, sys
sys.stdout.flush()
os._exit(0)
')"
is "the heap keeps its room in a full address space" "grown" "$(guest -- /usr/bin/python3 -S -c '
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = libc.sbrk.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.sbrk.argtypes = [ctypes.c_long]
size = 1 << 46
while size >= 1 << 26:
    while libc.mmap(None, size, 0, 0x4022, -1, 0) != 2**64 - 1: pass
    size >>= 1
print("grown" if libc.sbrk(1 << 28) != 2**64 - 1 else "no room")')"
# Another place for the heap: the program is position independent.
! command -v perl >/dev/null || is "the same above the bottom-up base" "grown" "$(guest -- perl -e '
for (my $size = 1 << 46; $size >= 1 << 26; $size >>= 1) { 1 while syscall(9, 0, $size, 0, 0x4022, -1, 0) != -1 }
my $brk = syscall(12, 0);
print syscall(12, $brk + (1 << 28)) == $brk + (1 << 28) ? "grown" : "no room"')"
is "still well" "well" "$(guest -- echo well)"
left=$(strays)
# shellcheck disable=SC2086
await gone $left || problem "left behind: $(ps -o pid=,ppid=,comm= -p "$(echo $left | tr ' ' ,)")"
finish

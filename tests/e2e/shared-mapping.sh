#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# What a guest stores in a MAP_SHARED mapping of a file of a writable volume is in the host's file: after msync, munmap, exit,
# fsync, exec, and when the guest process was killed; and the other way round.
. "$(dirname "$0")/lib.sh"
python=/usr/bin/python3
[ -x $python ] || skip "python3 is not installed"
mkdir "$tmp/vol"

fresh()
{
	head -c 20000 /dev/zero | tr '\0' '.' >"$tmp/vol/f"
}

# stored NAME ENDING: the guest stores a mark in the third page, and then does ENDING.
stored()
{
	fresh
	guest -v "$tmp/vol:/vol:rw" -- $python -S -c "
import mmap, os, signal, sys
fd = os.open('/vol/f', os.O_RDWR)
m = mmap.mmap(fd, 20000)
m[9000:9004] = b'MARK'
$2
" >"$tmp/out" 2>&1
	is "$1" "MARK" "$(dd if="$tmp/vol/f" bs=1 skip=9000 count=4 2>/dev/null)" || head -n 3 "$tmp/out"
	is "$1: the rest is as it was" "19996" "$(tr -cd . <"$tmp/vol/f" | wc -c | tr -d ' ')"
}

stored "exit" "pass"
stored "msync" "m.flush()"
stored "munmap" "m.close()"
stored "the descriptor closed first" "os.close(fd)"
stored "fsync" "os.fsync(fd)"
stored "_exit" "os._exit(0)"
stored "killed" "os.kill(os.getpid(), signal.SIGKILL)"
stored "a fault" "import ctypes; ctypes.string_at(8)"
stored "exec" "os.execv('/bin/true', ['true'])"
stored "a child's store" "
m[9000:9004] = b'....'
if os.fork() == 0:
    m[9000:9004] = b'MARK'
    os._exit(0)
os.wait()"

# A timeout kills the whole guest; what was stored before is kept.
for seconds in 1 10 100; do
	fresh
	guest --timeout=$seconds -v "$tmp/vol:/vol:rw" -- $python -S -c "
import mmap, os, time
m = mmap.mmap(os.open('/vol/f', os.O_RDWR), 20000)
m[9000:9004] = b'MARK'
print('stored', flush=True)
time.sleep(1000)" >"$tmp/out" 2>&1
	! grep -q stored "$tmp/out" || break
done
is "timeout" "MARK" "$(dd if="$tmp/vol/f" bs=1 skip=9000 count=4 2>/dev/null)"

fresh
is "msync is seen outside at once" "MARK" "$(guest -v "$tmp/vol:/vol:rw" -- $python -S -c "
import mmap, os, sys
m = mmap.mmap(os.open('/vol/f', os.O_RDWR), 20000)
m[9000:9004] = b'MARK'
m.flush()
print('flushed', flush=True)
sys.stdin.readline()" < <(sleep 2) | { read -r _; dd if="$tmp/vol/f" bs=1 skip=9000 count=4 2>/dev/null; cat >/dev/null; })"

fresh
guest -v "$tmp/vol:/vol:rw" -- $python -S -c "
import mmap, os
m = mmap.mmap(os.open('/vol/f', os.O_RDWR), 20000, flags=mmap.MAP_PRIVATE)
m[9000:9004] = b'MARK'
m.close()"
is "a private mapping stays private" "...." "$(dd if="$tmp/vol/f" bs=1 skip=9000 count=4 2>/dev/null)"

fresh
before=$(sha256sum <"$tmp/vol/f")
guest -v "$tmp/vol:/vol:ro" -- $python -S -c "
import mmap, os
mmap.mmap(os.open('/vol/f', os.O_RDWR), 20000)[0:1] = b'x'" >/dev/null 2>&1
is "a read-only volume" "$before" "$(sha256sum <"$tmp/vol/f")"

fresh
is "written past the end of the page: not into the file" "20000" "$(guest -v "$tmp/vol:/vol:rw" -- $python -S -c "
import ctypes, mmap, os
m = mmap.mmap(os.open('/vol/f', os.O_RDWR), 20000)
ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(m)) + 20000, 88, 400)"; stat -c %s "$tmp/vol/f")"
is "and the file has none of it" "0" "$(tr -cd X <"$tmp/vol/f" | wc -c | tr -d ' ')"
finish

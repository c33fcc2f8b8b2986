#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# CPython on musl, from an Alpine image: the main job, and a smoke test over the standard library.
. "$(dirname "$0")/lib.sh"
alpine_image

is "math and hashlib" "1.4142135623730951 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" \
	"$(run_image "$image" -- python3 -c 'import math,hashlib;print(math.sqrt(2),hashlib.sha256(b"x").hexdigest())' 2>&1)"
is "what the machine is" "linux musl posix" \
	"$(run_image "$image" -- python3 -c 'import sys,os,platform;print(sys.platform, sys.implementation._multiarch.split("-")[-1], os.name)' 2>&1)"
is "threads and processes" "45 [0, 1, 4, 9, 16]" "$(run_image "$image" -- python3 -c '
import threading, multiprocessing
total = []
ts = [threading.Thread(target=total.append, args=(i,)) for i in range(10)]
[t.start() for t in ts]; [t.join() for t in ts]
def sq(x): return x * x
with multiprocessing.Pool(2) as p: print(sum(total), p.map(sq, range(5)))
' 2>&1)"
is "files" "hello 5 [] True" "$(run_image "$image" -- python3 -c '
import os, tempfile, shutil
d = tempfile.mkdtemp()
open(d + "/f", "w").write("hello")
s = os.stat(d + "/f")
text = open(d + "/f").read()
os.unlink(d + "/f")
rest = os.listdir(d)
shutil.rmtree(d)
print(text, s.st_size, rest, not os.path.exists(d))
' 2>&1)"

smoke=$(alpine_dir)/smoke.py
out=$(timeout 900 "$SENTRY" run -q --platform="$SENTRY_PLATFORM" -v "$smoke:/smoke.py:ro" "$image" -- python3 /smoke.py 2>&1)
is "smoke.py" "ALL OK" "$(tail -n 1 <<<"$out")" || tail -n 15 <<<"$out" | sed 's/^/    /'
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# An image made of this machine's own packages: the main job of ./demo, and that the files are those of the host.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
need dpkg-query mke2fs debugfs
debian_image

is "the main job" "1.4142135623730951 2d711642b726b044 45 3.x tls 127.0.0.1" "$(run_image "$image" -- python3 -c '
import math, hashlib, ssl, json, socket, ctypes, sqlite3
db = sqlite3.connect(":memory:")
db.execute("create table t(a)")
db.executemany("insert into t values (?)", [(i,) for i in range(10)])
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(math.sqrt(2), hashlib.sha256(b"x").hexdigest()[:16], db.execute("select sum(a) from t").fetchone()[0],
      sqlite3.sqlite_version[0] + ".x", json.loads("[\"tls\"]")[0] if ssl.OPENSSL_VERSION else "", s.getsockname()[0])
assert ctypes.CDLL(None).getpid() > 0
' 2>&1)"
is "as the host prints it" "$(/usr/bin/python3 -c 'import sys, zlib; print(sys.version, zlib.crc32(b"x"))')" \
	"$(run_image "$image" -- python3 -c 'import sys, zlib; print(sys.version, zlib.crc32(b"x"))' 2>&1)"
for file in /usr/bin/env /usr/lib/x86_64-linux-gnu/libc.so.6 /usr/bin/python3.11; do
	[ -r "$file" ] || continue
	is "$file" "$(sha256sum <"$file")" "$(run_image "$image" -- sh -c "sha256sum <$file" 2>&1)"
done
is "every file can be read" "ok" "$(run_image "$image" -- sh -c 'find / -xdev -type f -exec cat {} + >/dev/null && echo ok' 2>&1 | tail -n 3)"
is "processes" "15" "$(run_image "$image" -- bash -c 'for i in 1 2 3 4 5; do (echo $i) & done | awk "{s+=\$1} END {print s}"; wait' 2>&1)"
is "root owns it" "0 0" "$(run_image "$image" -- sh -c 'stat -c "%u %g" /usr/bin/env' 2>&1)"
finish

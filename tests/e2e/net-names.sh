#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 200
# Names through the helper's resolver, and --net=allowlist with a resolver that lies: in a network namespace of the test's own, with a
# server behind a veth pair and a name server on its loopback.
. "$(dirname "$0")/lib.sh"
need python3 ip unshare
py=/usr/bin/python3
[ -x $py ] || skip "no $py"
if [ -z "${NAMES_INSIDE:-}" ]; then
	unshare -mn true 2>/dev/null || skip "network namespaces can't be made here"
	NAMES_INSIDE=1 exec unshare -mn "$0"
fi
ip link set lo up
echo "nameserver 127.0.0.1" >"$tmp/resolv.conf"
mount --bind "$tmp/resolv.conf" /etc/resolv.conf || skip "resolv.conf can't be replaced"
cat >"$tmp/web.py" <<'E'
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def log_message(self, *a): pass
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"web\n")
sys.stdin.readline()
http.server.ThreadingHTTPServer(("0.0.0.0", 80), H).serve_forever()
E
mkfifo "$tmp/go"
unshare -n $py "$tmp/web.py" <"$tmp/go" &
web=$!
exec 9>"$tmp/go"
apart() { [ "$(readlink "/proc/$web/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
await apart
ip link add veth0 type veth peer name veth1 netns $web || skip "no veth"
ip addr add 192.0.2.1/24 dev veth0
ip addr add 10.77.0.1/24 dev veth0
ip link set veth0 up
nsenter -t $web -n sh -c 'ip link set lo up; ip addr add 192.0.2.10/24 dev veth1; ip addr add 192.0.2.11/24 dev veth1; ip addr add 10.77.0.10/24 dev veth1; ip link set veth1 up'
cat >"$tmp/dns.py" <<'E'
import socket, struct, sys
names = {"good.example": "192.0.2.10", "a.sub.example": "192.0.2.11", "lie.example": "127.0.0.1", "meta.example": "169.254.169.254",
         "private.example": "10.77.0.10", "other.example": "192.0.2.11"}
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 53))
open(sys.argv[1], "w")
while True:
    q, a = s.recvfrom(2000)
    n, i = [], 12
    while q[i]: n.append(q[i + 1:i + 1 + q[i]].decode()); i += q[i] + 1
    name, (qtype,) = ".".join(n).lower(), struct.unpack("!H", q[i + 1:i + 3])
    open(sys.argv[1], "a").write("%s %d\n" % (name, qtype))
    ip = names.get(name)
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(ip) if ip and qtype == 1 else b""
    s.sendto(q[:2] + (b"\x81\x80" if ip else b"\x81\x83") + struct.pack("!4H", 1, bool(answer), 0, 0) + q[12:i + 5] + answer, a)
E
$py "$tmp/dns.py" "$tmp/asked" &
dns=$!
trap 'kill $web $dns; rm -rf "$tmp"' EXIT
echo >&9
await [ -e "$tmp/asked" ]
await $py -c 'import socket; socket.create_connection(("192.0.2.10", 80))' 2>"$tmp/err"

# how OPTIONS... -- NAME [PORT]: what comes of a request to NAME.
how()
{
	local opts=()

	while [ "$1" != -- ]; do opts+=("$1"); shift; done
	shift
	timeout -s KILL 300 "$SENTRY" do -q --platform="$SENTRY_PLATFORM" "${opts[@]}" -- $py -c '
import errno, socket, sys
try:
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10); s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    print(s.makefile().read().split()[-1])
except socket.gaierror as e: print("no name")
except OSError as e: print(errno.errorcode.get(e.errno, e))' "$1" "${2:-80}"
}

is "a name" web "$(how -- good.example)"
is "a name there isn't" "no name" "$(how -- missing.example)"
is "a name that lies: loopback" ECONNREFUSED "$(how -- lie.example)"
is "a name that lies: metadata" EHOSTUNREACH "$(how -- meta.example)"
is "a private address" EHOSTUNREACH "$(how -- private.example)"
is "a private address that is opened" web "$(how --allow 10.77.0.0/24 -- private.example)"
is "this machine's own address" EHOSTUNREACH "$(how -- 192.0.2.1)"
rm -f "$tmp/asked"
list=(--net=allowlist --allow good.example:80 --allow "*.sub.example" --allow lie.example --allow private.example)
is "allowlist: a name" web "$(how "${list[@]}" -- good.example)"
is "allowlist: another port" EHOSTUNREACH "$(how "${list[@]}" -- good.example 81)"
is "allowlist: below a name" web "$(how "${list[@]}" -- a.sub.example)"
is "allowlist: not listed" "no name" "$(how "${list[@]}" -- other.example)"
is "allowlist: an address nobody resolved" EHOSTUNREACH "$(how "${list[@]}" -- 192.0.2.10)"
is "allowlist: rebinding to the loopback" ECONNREFUSED "$(how "${list[@]}" -- lie.example)"
is "allowlist: rebinding to a private address" EHOSTUNREACH "$(how "${list[@]}" -- private.example)"
is "allowlist: nothing else was asked of the name server" "" "$(grep -v '^\(good\|a\.sub\|lie\|private\)\.example ' "$tmp/asked")"
is "allowlist: an address" web "$(how --net=allowlist --allow 192.0.2.11 -- 192.0.2.11)"
is "allowlist: no way around by TCP" EHOSTUNREACH "$(how "${list[@]}" -- 10.0.2.3 53)"
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# --net=user against servers on this machine's loopback: transfers, the policy and its holes, published ports, names, a helper that dies.
. "$(dirname "$0")/lib.sh"
need python3
py=/usr/bin/python3
[ -x $py ] || skip "no $py"

# Servers on free ports of 127.0.0.1: HTTP, TCP and UDP echo.  Their ports are written to $tmp/ports.
cat >"$tmp/servers.py" <<'E'
import http.server, os, socket, socketserver, sys, threading
os.chdir(sys.argv[1])
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
    def do_PUT(self):
        import hashlib
        n, h = int(self.headers["Content-Length"]), hashlib.sha256()
        while n:
            d = self.rfile.read(min(n, 65536)); h.update(d); n -= len(d)
        self.send_response(200); self.end_headers(); self.wfile.write(h.hexdigest().encode())
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while d := self.request.recv(65536): self.request.sendall(d)
class UdpEcho(socketserver.BaseRequestHandler):
    def handle(self):
        open(sys.argv[1] + "/udp-seen", "a").write("x")
        self.request[1].sendto(self.request[0], self.client_address)
socketserver.ThreadingTCPServer.request_queue_size = 512
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.UDPServer.max_packet_size = 65536
s = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet), socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo),
     socketserver.UDPServer(("127.0.0.1", 0), UdpEcho)]
for x in s: threading.Thread(target=x.serve_forever, daemon=True).start()
open(sys.argv[1] + "/ports.new", "w").write(" ".join(str(x.server_address[1]) for x in s) + "\n")
os.rename(sys.argv[1] + "/ports.new", sys.argv[1] + "/ports")
sys.stdin.read()
E
mkfifo "$tmp/alive"
$py "$tmp/servers.py" "$tmp" <"$tmp/alive" &
exec 9>"$tmp/alive"
await [ -e "$tmp/ports" ]
read -r http echo udp <"$tmp/ports" || skip "no server could be started"
head -c 30000000 /dev/urandom >"$tmp/big"
sum=$(sha256sum <"$tmp/big" | cut -d' ' -f1)

# in_py OPTIONS... -- CODE ARG...: a Python program in the guest.
in_py()
{
	local opts=()

	while [ "$1" != -- ]; do opts+=("$1"); shift; done
	shift
	timeout -s KILL 240 "$SENTRY" do -q --platform="$SENTRY_PLATFORM" "${opts[@]}" -- $py -c "$@"
}

get='import hashlib,sys,urllib.request as u; print(hashlib.sha256(u.urlopen(sys.argv[1], timeout=100).read()).hexdigest())'
is "a download" "$sum" "$(in_py --host-loopback -- "$get" "http://10.0.2.2:$http/big")"
put='import sys,urllib.request as u; print(u.urlopen(u.Request(sys.argv[1], open(sys.argv[2],"rb").read(), method="PUT"), timeout=100).read().decode())'
is "an upload" "$sum" "$(in_py --host-loopback -- "$put" "http://10.0.2.2:$http/x" "$tmp/big")"
many='
import asyncio, sys
async def one(i):
    r, w = await asyncio.open_connection("10.0.2.2", int(sys.argv[1]))
    msg = (b"%d " % i) * 1000
    w.write(msg); w.write_eof()
    got = await r.read()
    w.close()
    return got == msg
async def main(): print(sum(await asyncio.gather(*(one(i) for i in range(200)))))
asyncio.run(main())'
is "200 connections at once" 200 "$(in_py --host-loopback -- "$many" "$echo")"
dgrams='
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(100)
for n in (0, 1, 1472, 9000, 30000, 60000):
    s.sendto(b"x" * n, ("10.0.2.2", int(sys.argv[1])))
    d, a = s.recvfrom(65536); print(n, len(d), a[0])
s.connect(("10.0.2.2", int(sys.argv[1]))); s.send(b"hi"); print(s.recv(9), s.getsockname()[0])'
is "datagrams, whole and in fragments" "0 0 10.0.2.2
1 1 10.0.2.2
1472 1472 10.0.2.2
9000 9000 10.0.2.2
30000 30000 10.0.2.2
60000 60000 10.0.2.2
b'hi' 10.0.2.15" "$(in_py --host-loopback -- "$dgrams" "$udp")"

# tries ADDRESS PORT: how a connection ends.
tries='
import errno, socket, sys
s = socket.socket(); s.settimeout(100)
try: s.connect((sys.argv[1], int(sys.argv[2]))); s.sendall(b"hi"); print("connected" if s.recv(2) == b"hi" else "?")
except OSError as e: print(errno.errorcode.get(e.errno, e))'
is "the host's loopback is closed" EHOSTUNREACH "$(in_py -- "$tries" 10.0.2.2 "$echo")"
is "and opens with --host-loopback" connected "$(in_py --host-loopback -- "$tries" 10.0.2.2 "$echo")"
is "one port of it with --allow" connected "$(in_py --allow "127.0.0.1:$echo" -- "$tries" 10.0.2.2 "$echo")"
is "and not another" EHOSTUNREACH "$(in_py --allow "127.0.0.1:$echo" -- "$tries" 10.0.2.2 "$http")"
is "--deny closes" EHOSTUNREACH "$(in_py --host-loopback --deny "127.0.0.1:$echo" -- "$tries" 10.0.2.2 "$echo")"
is "127.0.0.1 is the guest's own" ECONNREFUSED "$(in_py --host-loopback -- "$tries" 127.0.0.1 "$echo")"
is "0.0.0.0 is the guest's own" ECONNREFUSED "$(in_py --host-loopback -- "$tries" 0.0.0.0 "$echo")"

# IPv6, where the host has a way out with it: fec0::2 is the host's ::1.
cat >"$tmp/server6.py" <<'E'
import os, socket, sys, threading
t = socket.create_server(("::1", 0), family=socket.AF_INET6); port = t.getsockname()[1]
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.bind(("::1", port))
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(("2000::1", 53))
open(sys.argv[1] + "/port6.new", "w").write(str(port)); os.rename(sys.argv[1] + "/port6.new", sys.argv[1] + "/port6")
def datagrams():
    while True:
        d, a = u.recvfrom(65536); u.sendto(d, a)
threading.Thread(target=datagrams, daemon=True).start()
while True:
    c, _ = t.accept(); c.sendall(c.recv(100)); c.close()
E
tries6='
import errno, socket, sys
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    s = socket.socket(socket.AF_INET6, kind); s.settimeout(100)
    try: s.connect((sys.argv[1], int(sys.argv[2]))); s.send(b"hi"); print(s.recv(9).decode(), s.getsockname()[0])
    except OSError as e: print(errno.errorcode.get(e.errno, e))'
if $py -c 'import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(("2000::1", 53))' 2>/dev/null; then
	$py "$tmp/server6.py" "$tmp" 2>/dev/null &
	server6=$!
	await [ -e "$tmp/port6" ]
	port6=$(cat "$tmp/port6")
	is "IPv6 to the host" "hi fec0::5054:ff:fe12:3456
hi fec0::5054:ff:fe12:3456" "$(in_py --host-loopback -- "$tries6" fec0::2 "$port6")"
	is "IPv6 by frames" "hi fec0::5054:ff:fe12:3456
hi fec0::5054:ff:fe12:3456" "$(in_py --host-loopback --pcap "$tmp/pcap6" -- "$tries6" fec0::2 "$port6")"
	is "IPv6 is closed" "EHOSTUNREACH
EACCES" "$(in_py -- "$tries6" fec0::2 "$port6")"
	is "as are private networks" "EHOSTUNREACH
EACCES" "$(in_py --host-loopback -- "$tries6" fd00::9 "$port6")"
	is "::1 is the guest's own" "ECONNREFUSED
ECONNREFUSED" "$(in_py --host-loopback -- "$tries6" ::1 "$port6")"
	kill "$server6"
fi
for a in 169.254.169.254 10.1.2.3 192.168.1.1 172.16.5.5 100.64.0.1 10.0.2.3 10.0.2.77 0.1.2.3; do
	is "$a is closed" EHOSTUNREACH "$(in_py -- "$tries" $a 80)"
done
is "--net=allowlist closes the rest" EHOSTUNREACH "$(in_py --net=allowlist -- "$tries" 192.0.2.1 80)"
is "--net=none has no way" ENETUNREACH "$(in_py --net=none -- "$tries" 10.0.2.2 "$echo")"
is "a denial names who and where" 1 \
	"$("$SENTRY" do --platform="$SENTRY_PLATFORM" -- $py -c "$tries" 169.254.169.254 80 2>&1 >/dev/null | grep -c 'python3.*denied.*169.254.169.254:80')"

# Frames made by hand: the ways around the policy that a libslirp alone leaves open.
frames='
import socket, struct, sys, time
port = int(sys.argv[1])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(("eth0", 0))
def csum(d):
    if len(d) % 2: d += b"\0"
    t = sum(struct.unpack("!%dH" % (len(d) // 2), d))
    while t >> 16: t = (t & 65535) + (t >> 16)
    return ~t & 65535
def send(dst, src="10.0.2.15", ihl=5, frag=0):
    p = b"hole"
    udp = struct.pack("!HHHH", 5555, port, 8 + len(p), 0) + p
    opt = b"\x83\x07\x04\x7f\x00\x00\x01\x00" if ihl == 7 else b""
    ip = struct.pack("!BBHHHBBH4s4s", 0x40 | ihl, 0, 20 + len(opt) + len(udp), 1, frag, 64, 17, 0, socket.inet_aton(src), socket.inet_aton(dst)) + opt
    ip = ip[:10] + struct.pack("!H", csum(ip)) + ip[12:]
    s.send(b"\x52\x55\x0a\x00\x02\x02\x52\x54\x00\x12\x34\x56\x08\x00" + ip + udp)
for dst in ("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.2.2", "10.0.2.3", "10.0.2.255", "255.255.255.255"):
    send(dst); send(dst, "127.0.0.1"); send(dst, ihl=7); send(dst, frag=0x2000)
s.send(b"\x52\x55\x0a\x00\x02\x02\x52\x54\x00\x12\x34\x56\x86\xdd" + struct.pack("!IHBB", 6 << 28, 12, 17, 64) + b"\0" * 15 + b"\x01" + b"\0" * 15 + b"\x01" + struct.pack("!HHHH", 1, port, 12, 0) + b"hole")
for n in range(14, 80): s.send(b"\x52\x55\x0a\x00\x02\x02\x52\x54\x00\x12\x34\x56\x08\x00" + b"\x45" * (n - 14))
time.sleep(1)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(100)
try: u.connect(("10.0.2.2", port)); u.send(b"x"); u.recv(9)
except OSError as e: print("alive, closed:", e.errno == 113)'
if [ "$(id -u)" = 0 ]; then
	rm -f "$tmp/udp-seen"
	is "frames made by hand" "alive, closed: True" "$(in_py -- "$frames" "$udp")"
	[ ! -e "$tmp/udp-seen" ] || problem "a frame reached the host's loopback"
	is "the same with the loopback open to another port" "alive, closed: True" "$(in_py --allow 127.0.0.1:1 -- "$frames" "$udp")"
	[ ! -e "$tmp/udp-seen" ] || problem "a frame reached the host's loopback"
fi

# Published ports.
# Below those that the kernel hands out, which anybody may get meanwhile.
read -r p1 p2 < <($py -c 'import random, socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    while True:
        s, p = socket.socket(socket.AF_INET, kind), random.randrange(10000, 30000)
        try: s.bind(("127.0.0.1", p)); print(p, end=" "); break
        except OSError: pass
print()')
serve='
import socket, threading
l = socket.socket(); l.bind(("", 8080)); l.listen(); u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 5353))
def udp():
    d, a = u.recvfrom(99); u.sendto(d[::-1], a)
threading.Thread(target=udp, daemon=True).start()
print("up", flush=True)
for _ in range(3):
    c, a = l.accept(); c.sendall(b"from %s: " % a[0].encode() + c.recv(99)); c.close()'
in_py -p "$p1:8080" -p "127.0.0.1:$p2:5353/udp" -- "$serve" >"$tmp/up" &
await [ -s "$tmp/up" ]
talk='
import socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(100); u.sendto(b"abc", ("127.0.0.1", int(sys.argv[2]))); print(u.recv(9))
for i in range(3):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 100); s.sendall(b"hello"); print(s.makefile().read()); s.close()'
is "published ports" "b'cba'
from 10.0.2.2: hello
from 10.0.2.2: hello
from 10.0.2.2: hello" "$($py -c "$talk" "$p1" "$p2" 2>&1)"
wait $!
is "a published server's end" 0 $?
$py -c 'import socket,time; s=socket.socket(); s.bind(("127.0.0.1",0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(600)' \
	>"$tmp/busy" &
busy=$!
await [ -s "$tmp/busy" ]
p1=$(cat "$tmp/busy")
guest -p "$p1:80" -- true 2>"$tmp/err"
is "a port in use" "125 1" "$? $(grep -c "cannot publish TCP port $p1 of 127.0.0.1" "$tmp/err")"
kill $busy

# A helper that dies.
dies='
import errno, os, socket, sys, threading, time
s = socket.create_connection(("10.0.2.2", int(sys.argv[1])), 100)
s.settimeout(200)
print("ready", flush=True)
def tell(name, f):
    try: print(name, f())
    except OSError as e: print(name, errno.errorcode[e.errno])
tell("recv", lambda: s.recv(1))
n = socket.socket(); n.settimeout(100)
tell("connect", lambda: n.connect(("10.0.2.2", int(sys.argv[1]))))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tell("send", lambda: u.sendto(b"x", ("10.0.2.2", 9)))
print(open("/sys/class/net/eth0/operstate").read().strip())'
in_py --host-loopback -- "$dies" "$echo" >"$tmp/dies" &
job=$!
await grep -q ready "$tmp/dies"
for p in $(descendants $job); do
	[ "$(cat "/proc/$p/comm" 2>/dev/null)" = sentry-net ] && kill -9 "$p"
done
wait $job
is "a dead helper" "ready
recv ENETDOWN
connect ENETDOWN
send ENETDOWN
down" "$(cat "$tmp/dies")"

# What --pcap recorded: whole blocks, both directions, and who it was.
in_py --host-loopback --pcap "$tmp/pcap" -- "$tries" 10.0.2.2 "$echo" >/dev/null
is "--pcap" "blocks whole, sent and received, by python3" "$($py -c '
import struct, sys
d, i, ways, who = open(sys.argv[1], "rb").read(), 0, set(), False
while i < len(d):
    kind, n = struct.unpack("<II", d[i:i + 8])
    assert n % 4 == 0 and d[i + n - 4:i + n] == d[i + 4:i + 8]
    if kind == 6:
        cap = struct.unpack("<I", d[i + 20:i + 24])[0]
        o = i + 28 + (cap + 3) // 4 * 4
        ways.add(d[o + 4]); who |= b"python3[1]" in d[o:i + n]
    i += n
print("blocks whole, " * (i == len(d)) + "sent and received, " * (ways == {1, 2}) + "by python3" * who)' "$tmp/pcap" 2>&1)"

# The resolver's place.
is "the resolver" "nameserver 10.0.2.3" "$(guest -- grep '^nameserver' /etc/resolv.conf)"
is "without a network resolv.conf is as it was" "$(cat /etc/resolv.conf)" "$(guest --net=none -- cat /etc/resolv.conf)"
exec 9>&-
finish

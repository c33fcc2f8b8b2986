#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# The network of an Alpine image: busybox's tools, DHCP, and packages over HTTP from a mirror on this machine's loopback.
. "$(dirname "$0")/lib.sh"
need python3
alpine_image
mirror=$(alpine_dir)
cat >"$tmp/web.py" <<'E'
import functools, http.server, os, sys
h = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), h)
open(sys.argv[2] + ".new", "w").write("%d\n" % s.server_address[1]); os.rename(sys.argv[2] + ".new", sys.argv[2])
s.serve_forever()
E
/usr/bin/python3 "$tmp/web.py" "$mirror" "$tmp/port" 2>/dev/null &
web=$!
trap 'kill $web 2>/dev/null; rm -rf "$tmp"' EXIT
await [ -e "$tmp/port" ]
port=$(cat "$tmp/port") || skip "no server could be started"

alp()
{
	timeout -s KILL 300 "$SENTRY" run -q --platform="$SENTRY_PLATFORM" --host-loopback "$image" -- sh -c "$1" 2>&1
}

is "configured from the start" "nameserver 10.0.2.3
inet addr:10.0.2.15
default via 10.0.2.2 dev eth0" "$(alp 'grep nameserver /etc/resolv.conf; ifconfig eth0 | grep -o "inet addr:[0-9.]*"; ip route | grep -o "default via 10.0.2.2 dev eth0"')"
is "ping" "1 packets transmitted, 1 packets received, 0% packet loss
1 packets transmitted, 1 packets received, 0% packet loss" "$(alp 'for a in 127.0.0.1 10.0.2.2; do ping -c1 -W5 $a | grep transmitted; done')"
is "a lease" "gone
lease of 10.0.2.15 obtained from 10.0.2.2
inet 10.0.2.15/24
default via 10.0.2.2" "$(alp 'ip addr flush dev eth0; [ -z "$(ip route)" ] && echo gone; udhcpc -i eth0 -n -q -t 5 2>&1 | grep -o "lease of 10.0.2.15 obtained from 10.0.2.2"; ip addr show eth0 | grep -o "inet [0-9./]*"; ip route | grep -o -m1 "default via 10.0.2.2"')"
is "wget" "$(sha256sum <"$mirror/SHA256SUMS")" "$(alp "wget -q -O - http://10.0.2.2:$port/SHA256SUMS | sha256sum")"
is "link down and up" "wget: can't connect to remote host (10.0.2.2): Network unreachable
up again" "$(alp "ip link set eth0 down; wget -q -O /dev/null http://10.0.2.2:$port/README; ip link set eth0 up; ip route add default via 10.0.2.2; wget -q -O /dev/null http://10.0.2.2:$port/README && echo up again")"
if [ -d "$mirror/v3.19/main" ]; then
	is "apk update and add" "42" "$(alp "cp /dev/null /etc/apk/repositories; echo http://10.0.2.2:$port/v3.19/main >/etc/apk/repositories; apk update -q && apk add -q jq && jq -n 6*7" | tail -1)"
fi
finish

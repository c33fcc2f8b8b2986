#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# Real servers in a guest, reached from this machine through published ports.  What the machine lacks is named and left out.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net-lib.sh"
need curl openssl
py=/usr/bin/python3
[ -x $py ] || skip "no $py"

# serve NAME PORT GUESTPORT COMMAND...: a server in a guest, until end_guest.  A published port is open before the guest's is, so
# what answers is waited for by the caller.
serve()
{
	local name=$1 p=$2 g=$3

	shift 3
	"$SENTRY" do -q --platform="$SENTRY_PLATFORM" -p "$p:$g" -- "$@" >"$tmp/$name.out" 2>&1 </dev/null &
	guest=$!
	started+=($guest)
}

end_guest()
{
	kill "$guest" 2>/dev/null
	wait "$guest" 2>/dev/null
}

# soon COMMAND...: until it succeeds, or not.
soon()
{
	for _ in $(seq 100); do
		"$@" >/dev/null 2>&1 && return 0
		kill -0 "$guest" 2>/dev/null || break
		sleep 0.2
	done
	problem "nothing answers: $*"
	return 1
}

mkdir "$tmp/www"
head -c 1000 /dev/urandom >"$tmp/www/small"
head -c 20000000 /dev/urandom >"$tmp/www/big"
sum=$(sha256sum <"$tmp/www/big")

# Connections that all come at once: each is served, none has to try again a second later.
cat >"$tmp/burst.py" <<'E'
import asyncio, sys, time
async def one(port):
    r, w = await asyncio.open_connection("127.0.0.1", port)
    w.write(b"GET /small HTTP/1.0\r\n\r\n")
    d = await r.read()
    w.close()
    return d.startswith(b"HTTP/1") and len(d) >= 1000
async def main():
    for _ in range(3):
        print(sum(await asyncio.gather(*(one(int(sys.argv[1])) for _ in range(int(sys.argv[2]))))))
asyncio.run(main())
E

p=$(port)
serve http "$p" 8000 $py -m http.server -d "$tmp/www" 8000
if soon curl -sf "http://127.0.0.1:$p/small"; then
	is "http.server" "$sum" "$(curl -sS "http://127.0.0.1:$p/big" | sha256sum)"
	is "a burst of 4" "4 4 4" "$(timeout 60 $py "$tmp/burst.py" "$p" 4 2>&1 | xargs)"
fi
end_guest

if has nginx; then
	p=$(port)
	cat >"$tmp/nginx.conf" <<E
daemon off; pid /tmp/nginx.pid; error_log stderr; worker_processes 2;
$([ "$(id -u)" = 0 ] && echo "user root;")
events { worker_connections 1024; }
http {
	access_log off; client_body_temp_path /tmp/ng-body; proxy_temp_path /tmp/ng-a; fastcgi_temp_path /tmp/ng-b;
	uwsgi_temp_path /tmp/ng-c; scgi_temp_path /tmp/ng-d;
	server { listen 8080 backlog=512; listen [::]:8080 backlog=512; location / { root $tmp/www; } }
}
E
	serve nginx "$p" 8080 nginx -p /tmp -c "$tmp/nginx.conf"
	if soon curl -sf "http://127.0.0.1:$p/small"; then
		is "nginx" "$sum" "$(curl -sS "http://127.0.0.1:$p/big" | sha256sum)"
		is "a burst of 200" "200 200 200" "$(timeout 60 $py "$tmp/burst.py" "$p" 200 2>&1 | xargs)"
	fi
	end_guest
fi

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=127.0.0.1" -keyout "$tmp/srv.key" -out "$tmp/srv.pem" \
	-addext subjectAltName=IP:127.0.0.1 2>/dev/null
p=$(port)
serve s_server "$p" 4433 openssl s_server -quiet -accept 4433 -cert "$tmp/srv.pem" -key "$tmp/srv.key" -www
soon curl -sf --cacert "$tmp/srv.pem" "https://127.0.0.1:$p/" &&
	is "openssl s_server" 1 "$(curl -sS --cacert "$tmp/srv.pem" "https://127.0.0.1:$p/" | grep -c 'Ciphers supported in s_server')"
end_guest

p=$(port)
cat >"$tmp/aio.py" <<'E'
import asyncio
async def serve(r, w):
    while d := await r.read(65536):
        w.write(d)
        await w.drain()
    w.close()
async def main():
    async with await asyncio.start_server(serve, None, 7000, backlog=300) as s: await s.serve_forever()
asyncio.run(main())
E
cat >"$tmp/aio-client.py" <<'E'
import asyncio, os, sys
async def one(n):
    r, w = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    d = os.urandom(n)
    async def send():
        w.write(d); await w.drain(); w.write_eof()
    t = asyncio.create_task(send())
    got = await r.read()
    await t
    w.close()
    return got == d
async def main(): print(sum(await asyncio.gather(*(one(5000) for _ in range(200)), one(5000000))))
asyncio.run(main())
E
serve asyncio "$p" 7000 $py "$tmp/aio.py"
soon $py -c "import socket; s=socket.create_connection(('127.0.0.1',$p)); s.send(b'x'); s.recv(1)[0]" &&
	is "an asyncio server, 201 connections" 201 "$(timeout 60 $py "$tmp/aio-client.py" "$p" 2>&1)"
end_guest

if has redis-server redis-cli; then
	p=$(port)
	serve redis "$p" 6379 redis-server --protected-mode no --save '' --dir /tmp
	soon redis-cli -p "$p" ping && is "redis" "OK 7" "$(redis-cli -p "$p" set k 7 | xargs) $(redis-cli -p "$p" get k)"
	end_guest
fi

if has sshd ssh ssh-keygen && [ "$(id -u)" = 0 ]; then
	p=$(port)
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/host_key"
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/id"
	cp "$tmp/id.pub" "$tmp/authorized"
	printf '%s\n' "Port 2222" "HostKey $tmp/host_key" "AuthorizedKeysFile $tmp/authorized" "StrictModes no" "PidFile none" "UsePAM no" \
		"PermitRootLogin yes" "Subsystem sftp internal-sftp" >"$tmp/sshd.conf"
	serve sshd "$p" 2222 sh -c "mkdir -p /run/sshd; exec $(command -v sshd) -D -e -f $tmp/sshd.conf"
	opts="-i $tmp/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=20"
	if soon ssh $opts -p "$p" 127.0.0.1 true; then
		is "sshd" "in $(id -un) 0" "$(ssh $opts -p "$p" 127.0.0.1 'echo in; id -un; ls /proc/self/fd | grep -c 999' | xargs)"
		is "sshd with a terminal" "/dev/pts" "$(ssh -tt $opts -p "$p" 127.0.0.1 'dirname $(tty)' </dev/null | tr -d '\r')"
		scp -q $opts -P "$p" "$tmp/www/big" 127.0.0.1:/tmp/in && scp -q $opts -P "$p" 127.0.0.1:/tmp/in "$tmp/out"
		is "scp, in and out" "$sum" "$(sha256sum <"$tmp/out")"
		has rsync && rsync -e "ssh $opts -p $p" 127.0.0.1:"$tmp/www/big" "$tmp/out2" && is "rsync" "$sum" "$(sha256sum <"$tmp/out2")"
	else
		tail -n 5 "$tmp/sshd.out"
	fi
	end_guest
fi

pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
if [ -n "$pg" ] && has psql setpriv && [ "$(id -u)" = 0 ] && id postgres >/dev/null 2>&1; then
	p=$(port)
	as="setpriv --reuid=postgres --regid=postgres --clear-groups"
	serve postgres "$p" 5432 sh -c "cd /tmp; install -d -o postgres /tmp/pg && $as $pg/initdb -A trust -D /tmp/pg >/dev/null &&
		echo 'host all all 0.0.0.0/0 trust' >>/tmp/pg/pg_hba.conf &&
		exec $as $pg/postgres -D /tmp/pg -c listen_addresses='*' -c unix_socket_directories=/tmp -c fsync=off"
	if soon psql -h 127.0.0.1 -p "$p" -U postgres -Atc 'select 1' postgres; then
		is "postgres" "499500|1000" "$(psql -h 127.0.0.1 -p "$p" -U postgres -Atc 'create table t as select generate_series(0,999) n' \
			-c 'select sum(n), count(*) from t' postgres 2>&1 | tail -1)"
	else
		tail -n 5 "$tmp/postgres.out"
	fi
	end_guest
fi

# --net=host: who listens in the guest listens here, on the loopback; who listens on the guest's own loopback does not.
p=$(port) q=$(port)
"$SENTRY" do -q --platform="$SENTRY_PLATFORM" --net=host -- $py -c '
import socket, sys
l, o = socket.create_server(("", int(sys.argv[1]))), socket.create_server(("127.0.0.1", int(sys.argv[2])))
print("up", flush=True)
c, a = l.accept(); c.sendall(b"hello " + a[0].encode()); c.close(); l.close()
l = socket.create_server(("", int(sys.argv[1]))); c, a = l.accept(); c.sendall(b"again"); c.close()' "$p" "$q" >"$tmp/host.out" 2>&1 </dev/null &
guest=$!
started+=($guest)
for _ in $(seq 100); do [ -s "$tmp/host.out" ] && break; sleep 0.1; done
hear='import socket,sys,time
for _ in range(50):
    try: d = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10).makefile().read()
    except OSError as e: d = type(e).__name__
    if d != "ConnectionRefusedError" and d != "ConnectionResetError" or len(sys.argv) < 3: break
    time.sleep(.1)
print(d)'
is "--net=host" "up hello 10.0.2.2" "$(cat "$tmp/host.out") $($py -c "$hear" "$p" wait)"
is "its own loopback" ConnectionRefusedError "$($py -c "$hear" "$q")"
is "listening again" again "$($py -c "$hear" "$p" wait)"
wait "$guest"
is "its end" 0 $?
$py -c 'import socket,sys,time; s=socket.create_server(("127.0.0.1",int(sys.argv[1]))); time.sleep(60)' "$p" &
guest=$!
started+=($guest)
soon bash -c "exec 3<>/dev/tcp/127.0.0.1/$p"
is "a port in use" EADDRINUSE "$("$SENTRY" do -q --platform="$SENTRY_PLATFORM" --net=host -- $py -c '
import errno, socket, sys
s = socket.socket(); s.bind(("", int(sys.argv[1])))
try: s.listen(); print("listens")
except OSError as e: print(errno.errorcode[e.errno])' "$p" 2>&1)"

if has iperf3; then
	p=$(port)
	serve iperf3 "$p" 5201 iperf3 -s
	rate='import json,sys; d=json.load(sys.stdin)["end"]; print("ok" if d["sum_received"]["bytes"] > 1000000 else d)'
	sleep 1
	for how in "" -R; do
		is "iperf3 $how" ok "$(for _ in 1 2 3 4 5; do timeout 60 iperf3 -c 127.0.0.1 -p "$p" -t 1 -J $how >"$tmp/i" && break; sleep 1; done; $py -c "$rate" <"$tmp/i" 2>&1)"
	done
	end_guest
fi
finish

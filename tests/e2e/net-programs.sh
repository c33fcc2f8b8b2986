#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# Real clients in a guest against real servers on this machine's loopback.  What the machine lacks is named and left out.
#
#   NET_BIG=bytes      how much the large transfers carry; 64 MiB unless given
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net-lib.sh"
need curl openssl
big=${NET_BIG:-67108864}

# up PORT: waits for a server.
up()
{
	for _ in $(seq 300); do
		(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
		sleep 0.1
	done
	problem "no server on port $1"
	return 1
}

# net COMMAND...: in a guest, with the host's loopback at 10.0.2.2.
net()
{
	timeout -s KILL 200 "$SENTRY" do -q --platform="$SENTRY_PLATFORM" --host-loopback -- "$@" 2>&1
}

# --- HTTP and TLS ---

mkdir "$tmp/www" "$tmp/www/up"
head -c 1000 /dev/urandom >"$tmp/www/small"
head -c "$big" /dev/urandom >"$tmp/www/big"
sum=$(sha256sum <"$tmp/www/big")
small=$(sha256sum <"$tmp/www/small")
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=test CA" -keyout "$tmp/ca.key" -out "$tmp/ca.pem" 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj "/CN=10.0.2.2" -keyout "$tmp/srv.key" -out "$tmp/srv.csr" 2>/dev/null
openssl x509 -req -in "$tmp/srv.csr" -CA "$tmp/ca.pem" -CAkey "$tmp/ca.key" -CAcreateserial -days 2 -out "$tmp/srv.pem" \
	-extfile <(echo "subjectAltName=IP:10.0.2.2,IP:127.0.0.1") 2>/dev/null

if has nginx; then
	http=$(port) https=$(port)
	cat >"$tmp/nginx.conf" <<E
daemon off; pid $tmp/nginx.pid; error_log $tmp/nginx.err; worker_processes 1;
$([ "$(id -u)" = 0 ] && echo "user root;")
events { worker_connections 1024; }
http {
	access_log off; client_max_body_size 0; client_body_temp_path $tmp/nginx-body; proxy_temp_path $tmp/nginx-a;
	fastcgi_temp_path $tmp/nginx-b; uwsgi_temp_path $tmp/nginx-c; scgi_temp_path $tmp/nginx-d;
	server {
		listen 127.0.0.1:$http; listen 127.0.0.1:$https ssl http2;
		ssl_certificate $tmp/srv.pem; ssl_certificate_key $tmp/srv.key;
		location / { root $tmp/www; dav_methods PUT DELETE; }
	}
}
E
	nginx -p "$tmp" -e "$tmp/nginx.err" -c "$tmp/nginx.conf" 2>"$tmp/nginx.out" &
	started+=($!)
	up "$http" || cat "$tmp/nginx.out" "$tmp/nginx.err"
	is "curl, down" "$sum" "$(net sh -c "curl -sS http://10.0.2.2:$http/big | sha256sum")"
	is "curl, up" "201" "$(net curl -sS -o /dev/null -w '%{http_code}' -T "$tmp/www/big" "http://10.0.2.2:$http/up/a")"
	is "what came up" "$sum" "$(sha256sum <"$tmp/www/up/a")"
	is "curl over TLS" "2 200 $small" "$(net sh -c "curl -sS --cacert '$tmp/ca.pem' --http2 -o /tmp/s -w '%{http_version} %{http_code} ' https://10.0.2.2:$https/small; sha256sum </tmp/s")"
	is "TLS without its CA" 60 "$(net curl -sS -o /dev/null "https://10.0.2.2:$https/small" >/dev/null; echo $?)"
	is "HTTP/2, 50 streams down" "50 $sum" "$(net sh -c "cd \$(mktemp -d); curl -sS --no-progress-meter --http2 -Z --parallel-max 50 --cacert '$tmp/ca.pem' 'https://10.0.2.2:$https/small?[1-49]' -o 'p#1' https://10.0.2.2:$https/big -o p0; ls p* | wc -l | tr '\n' ' '; sha256sum <p0")"
	is "HTTP/2, up" "$sum" "$(net curl -sS --http2 --cacert "$tmp/ca.pem" -T "$tmp/www/big" "https://10.0.2.2:$https/up/b" >/dev/null; sha256sum <"$tmp/www/up/b")"
	is "curl, 200 at once" 200 "$(net sh -c "cd \$(mktemp -d); curl -sS --no-progress-meter -Z --parallel-max 200 --parallel-immediate --http1.1 'http://10.0.2.2:$http/small?[1-200]' -o 'q#1'; sha256sum q* | grep -c '${small%% *}'")"
	has wget && is "wget" "$sum" "$(net sh -c "wget -q --ca-certificate='$tmp/ca.pem' -O - https://10.0.2.2:$https/big | sha256sum")"
	is "python over TLS" "200 1000" "$(net /usr/bin/python3 -c "import ssl,urllib.request as u; c=ssl.create_default_context(cafile='$tmp/ca.pem'); r=u.urlopen('https://10.0.2.2:$https/small', context=c); print(r.status, len(r.read()))")"
fi

s=$(port)
openssl s_server -quiet -accept "127.0.0.1:$s" -cert "$tmp/srv.pem" -key "$tmp/srv.key" -rev -naccept 20 >"$tmp/s_server" 2>&1 &
started+=($!)
up "$s"
is "openssl s_client" "olleh" "$(net sh -c "(echo hello; sleep 1; echo Q) | openssl s_client -quiet -verify_return_error -CAfile '$tmp/ca.pem' -connect 10.0.2.2:$s 2>/dev/null" | head -1)"

# --- ssh, rsync, git ---

if has sshd ssh ssh-keygen && [ "$(id -u)" = 0 ]; then
	ssh=$(port)
	mkdir -p /run/sshd 2>/dev/null
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/host_key"
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/id"
	cp "$tmp/id.pub" "$tmp/authorized"
	printf '%s\n' "ListenAddress 127.0.0.1:$ssh" "HostKey $tmp/host_key" "AuthorizedKeysFile $tmp/authorized" "StrictModes no" \
		"PidFile none" "UsePAM no" "PermitRootLogin yes" "Subsystem sftp internal-sftp" >"$tmp/sshd.conf"
	"$(command -v sshd)" -D -e -f "$tmp/sshd.conf" 2>"$tmp/sshd.err" &
	started+=($!)
	up "$ssh" || cat "$tmp/sshd.err"
	opts="-i $tmp/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
	is "ssh" "there $(id -un)" "$(net ssh $opts -p "$ssh" 10.0.2.2 'echo there; id -un' | tr '\n' ' ' | sed 's/ $//')"
	is "scp, up and down" "$sum" "$(net sh -c "scp -q $opts -P $ssh '$tmp/www/big' 10.0.2.2:$tmp/scp && scp -q $opts -P $ssh 10.0.2.2:$tmp/scp /tmp/back && sha256sum </tmp/back")"
	is "rsync over ssh" "$sum" "$(net sh -c "rsync -e 'ssh $opts -p $ssh' 10.0.2.2:$tmp/www/big /tmp/r && sha256sum </tmp/r")"
	if has git; then
		git init -q --bare "$tmp/repo.git"
		git init -q "$tmp/work"
		(cd "$tmp/work" && for i in $(seq 50); do echo $i >f$i; done && git add . && git -c user.name=a -c user.email=a@b commit -qm one &&
			git push -q "$tmp/repo.git" HEAD:refs/heads/master && git -C "$tmp/repo.git" update-server-info)
		is "git clone over ssh" 50 "$(net sh -c "GIT_SSH_COMMAND='ssh $opts -p $ssh' git -c safe.directory='*' clone -q 10.0.2.2:$tmp/repo.git /tmp/c && ls /tmp/c | wc -l")"
		mv "$tmp/repo.git" "$tmp/www/repo.git"
		[ -n "${http:-}" ] && is "git clone over HTTP" 50 "$(net sh -c "git clone -q http://10.0.2.2:$http/repo.git /tmp/c && ls /tmp/c | wc -l")"
	fi
fi
if has rsync; then
	rs=$(port)
	printf '%s\n' "use chroot = no" "port = $rs" "address = 127.0.0.1" "[www]" "path = $tmp/www" "read only = no" \
		"$([ "$(id -u)" = 0 ] && printf 'uid = root\ngid = root')" >"$tmp/rsyncd.conf"
	rsync --daemon --no-detach --config="$tmp/rsyncd.conf" --log-file="$tmp/rsync.log" &
	started+=($!)
	up "$rs"
	is "rsync" "$sum" "$(net sh -c "rsync rsync://10.0.2.2:$rs/www/big /tmp/r && rsync /tmp/r rsync://10.0.2.2:$rs/www/up/c && sha256sum </tmp/r")"
	is "what rsync sent" "$sum" "$(sha256sum <"$tmp/www/up/c")"
fi

# --- databases ---

if has redis-server redis-cli; then
	rd=$(port)
	redis-server --port "$rd" --bind 127.0.0.1 --save '' --dir "$tmp" >"$tmp/redis.log" &
	started+=($!)
	up "$rd"
	is "redis" "OK 100000 PONG" "$(net sh -c "r='redis-cli -h 10.0.2.2 -p $rd'; (printf 'SET k '; head -c 100000 /dev/zero | tr '\0' x; echo) | \$r; \$r STRLEN k; \$r PING" | tr '\n' ' ' | sed 's/ $//')"
	has redis-benchmark && is "redis-benchmark" 2 "$(net redis-benchmark -h 10.0.2.2 -p "$rd" -n 2000 -c 50 -t set,get -q | grep -c 'requests per second')"
fi
pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
if [ -n "$pg" ] && has psql && [ "$(id -u)" = 0 ] && has setpriv && id postgres >/dev/null 2>&1; then
	pp=$(port)
	install -d -o postgres "$tmp/pg"
	as="setpriv --reuid=postgres --regid=postgres --clear-groups"
	(cd / && $as "$pg/initdb" -A trust -D "$tmp/pg" >"$tmp/pg.log" 2>&1)
	(cd / && exec $as "$pg/postgres" -D "$tmp/pg" -p "$pp" -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off) >>"$tmp/pg.log" 2>&1 &
	started+=($!)
	up "$pp" || tail "$tmp/pg.log"
	is "postgres" "499500|1000" "$(net psql -h 10.0.2.2 -p "$pp" -U postgres -Atc 'create table t as select generate_series(0,999) n' -c 'select sum(n), count(*) from t' postgres | tail -1)"
else
	echo "left out: postgresql"
fi

# --- iperf3 ---

if has iperf3; then
	ip=$(port)
	iperf3 -s -B 127.0.0.1 -p "$ip" >"$tmp/iperf.log" 2>&1 &
	started+=($!)
	up "$ip"
	rate='import json,sys; d=json.load(sys.stdin)["end"]; r=d.get("sum_received") or d["sum"]; print("ok" if r["bytes"] > 1000000 and not d.get("error") else d)'
	for how in "" -R "-P 8" "-u -b 100M" "-u -b 100M -R"; do
		is "iperf3 $how" ok "$(net iperf3 -c 10.0.2.2 -p "$ip" -t 1 -J $how | tee "$tmp/iperf$how.json" | /usr/bin/python3 -c "$rate" 2>&1)"
	done
fi
finish

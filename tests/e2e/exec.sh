#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# Guests in the background, and what is done to them from outside: exec, ls, ps, stats, kill, stop, logs, rm.
. "$(dirname "$0")/lib.sh"

export XDG_RUNTIME_DIR=$tmp/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
sentry() { timeout -s KILL 60 "$SENTRY" "$@"; }
start() { sentry do -q -d --platform "$SENTRY_PLATFORM" "$@" 2>&1; }
names() { sentry ls -q | tr '\n' ' '; }
# until N COMMAND...: tries it N tenths of a second
until_true() { local n=$1; shift; while [ "$n" -gt 0 ]; do "$@" && return; sleep 0.1; n=$((n - 1)); done; return 1; }

is "nothing runs" "" "$(names)"
is "-d prints the name" "one" "$(start --name one -e LEFT=behind -- sh -c 'echo started; exec sleep 1000')"
is "it is listed" "one " "$(names)"
is "a name is taken once" "sentry: there is a guest named 'one' already 125" "$(start --name one -- true | tr '\n' ' '; start --name one -- true >/dev/null; echo $?)"
is "a bad name" 125 "$(start --name ../x -- true >/dev/null; echo $?)"
is "permissions" "700 700 600 600 600" \
	"$(cd "$XDG_RUNTIME_DIR/sentry" && stat -c %a . one one/control one/log one/state | tr '\n' ' ' | sed 's/ $//')"

is "exec passes the status on" 7 "$(sentry exec one -- sh -c 'exit 7'; echo $?)"
is "exec: a signal's" 137 "$(sentry exec one -- sh -c 'kill -9 $$'; echo $?)"
is "exec: no such program" "127 126" "$(sentry exec one nosuch 2>/dev/null; echo -n "$? "; sentry exec one /etc/passwd 2>/dev/null; echo $?)"
is "exec: pipes" "in out" "$(echo in | sentry exec -i one -- sh -c 'read x; echo $x out')"
is "exec: standard error" "err" "$(sentry exec one -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)"
sentry exec one -- sh -c 'echo a; echo b >&2' >"$tmp/both" 2>&1
is "exec: one file for both" "a b" "$(tr '\n' ' ' <"$tmp/both" | sed 's/ $//')"
is "exec: environment" "behind given /usr" "$(sentry exec -e KEY=given -w /usr one -- sh -c 'echo $LEFT $KEY $PWD')"
is "exec: HOME follows the user" "$(getent passwd nobody | cut -d: -f6) 65534" "$(sentry exec -u nobody one -- sh -c 'echo $HOME $(id -u)')"
is "exec: no such user" 125 "$(sentry exec -u nosuch one -- true 2>/dev/null; echo $?)"
is "exec: it has no parent and a session of its own" "0 yes" "$(sentry exec one -- sh -c 'read -r a < /proc/$$/stat; set -- ${a##*) }; echo -n "$2 "; [ "$4" = $$ ] && echo yes')"
is "exec leaves nothing behind" "1" "$(sentry exec one -- sh -c 'sleep 0.01 & exit 0'; sleep 0.3; sentry ps one | grep -c '^ *[0-9]')"
for i in 1 2 3 4 5 6 7 8; do sentry exec one -- true & done; wait
is "many in a row: descriptors are given back" "ok" "$(for i in $(seq 40); do sentry exec one -- true </dev/null | cat || exit; done; echo ok)"
sentry exec -d one -- sh -c 'echo detached > /tmp/sentry-exec-test; exec sleep 999'
is "exec -d" 0 "$(until_true 100 sentry exec one -- grep -qx detached /tmp/sentry-exec-test; echo $?)"
is "exec -d goes on" 1 "$(sentry ps one | grep -c 'sleep 999')"
is "nothing of it outside" "" "$(ls /tmp/sentry-exec-test 2>/dev/null)"
sentry exec one -- sleep 998 & client=$!
until_true 100 eval 'sentry ps one | grep -q "sleep 998"'
is "a program that is running" 1 "$(sentry ps one | grep -c 'sleep 998')"
is "ps --json" 1 "$(sentry ps --json one | grep -c '"ppid":0,.*"command":"sleep 998"')"
kill -TERM "$(pgrep -P $client 2>/dev/null || echo $client)" $client 2>/dev/null
wait $client

if command -v python3 >/dev/null; then
	out=$(python3 - "$SENTRY" exec -it one -- sh -c 'tty; stty size; stty -echo; echo go; read x; echo got $x; sleep 100; echo $?; stty size' <<'PY'
import fcntl, os, pty, re, select, signal, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
os.kill(pid, signal.SIGWINCH)
seen = b""
def until(want):
    global seen
    end = time.time() + 50
    while want not in seen and time.time() < end:
        if select.select([fd], [], [], 1)[0]:
            try:
                data = os.read(fd, 4096)
            except OSError:
                return
            if not data:
                return
            seen += data
until(b"go")
os.write(fd, b"typed\n")
until(b"got typed")
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
time.sleep(0.5)
os.write(fd, b"\x03")
until(b"\0never")
print(seen.decode().replace("\r", ""))
print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
)
	is "exec -it: a terminal" 1 "$(grep -c '^/dev/pts/[0-9]*$' <<<"$out")"
	is "exec -it: input" 1 "$(grep -c '^got typed$' <<<"$out")"
	is "exec -it: ^C" "status 130" "$(tail -n 1 <<<"$out")"
fi
is "exec -t at a pipe's end" "got x" "$(printf 'x\n' | sentry exec -t one -- sh -c 'stty -echo; read x; echo got $x; cat' | tr -d '\r' | grep got)"

is "stats" "1" "$(sentry stats --json one | grep -c '"name":"one","memory":[1-9][0-9]*,.*"tasks":[1-9]')"
is "ls --json" "1" "$(sentry ls --json | grep -c '{"name":"one","kind":"do","state":"running","pid":[1-9][0-9]*,')"
is "logs" "started" "$(sentry logs one)"
is "stop" "0" "$(sentry stop one; echo $?)"
is "it has ended" "one exited" "$(names)$(sentry ls -a | awk '$1 == "one" { print "one", $3 }')"
is "its log stays" "started" "$(sentry logs -f one)"
is "no exec then" "125" "$(sentry exec one true 2>/dev/null; echo $?)"
is "rm" "" "$(sentry rm one; sentry ls -aq)"

start --name two -- sh -c 'for i in 1 2 3 4 5; do echo $i; done; exit 3' >/dev/null
is "logs -f to the end" "1 2 3 4 5 " "$(sentry logs -f two | tr '\n' ' ')"
is "logs -n" "4 5 " "$(sentry logs -n 2 two | tr '\n' ' ')"
is "its exit status" "1" "$(sentry ls -a --json | grep -c '"status":3,')"
is "the name of an ended one is free" "two" "$(start --name two --rm -- sleep 1000)"
sentry kill -s TERM two
is "kill, and --rm" "0" "$(until_true 100 eval '[ -z "$(sentry ls -aq)" ]'; echo $?)"
is "a program that cannot be run" "127 " "$(start --name bad -- /nosuch >"$tmp/bad"; echo -n "$? "; sentry ls -aq)"
is "and why" "1" "$(grep -c "cannot run '/nosuch'" "$tmp/bad")"

# Killed, with its keeper or without: nobody sees it again.
start --name three -- sleep 1000 >/dev/null
pid=$(sentry ls --json | sed -n 's/.*"pid":\([0-9]*\).*/\1/p')
sentry exec three -- sleep 500 & client=$!
until_true 100 eval 'sentry ps three | grep -q "sleep 500"'
kill -9 "$pid"
wait $client
is "exec ends with the guest" 137 $?
is "one that was killed" "three exited(137)" "$(until_true 100 eval '[ -z "$(sentry ls -q)" ]'; sentry ls -a | awk '$1 == "three" { print $1, $3 $4 }')"
sentry rm three
mkdir -m 700 "$XDG_RUNTIME_DIR/sentry/stale"
printf 'name stale\nkind run\npid 1\n' >"$XDG_RUNTIME_DIR/sentry/stale/state"
is "stale state is cleaned" " gone" "$(names) $([ -d "$XDG_RUNTIME_DIR/sentry/stale" ] || echo gone)"
mkdir -m 755 "$tmp/open" "$tmp/open/sentry"
is "a directory open to others is refused" 1 "$(XDG_RUNTIME_DIR=$tmp/open sentry ls 2>&1 | grep -c 'must belong to you alone')"
is "and a run goes on without" 0 "$(XDG_RUNTIME_DIR=$tmp/open sentry do -q --platform "$SENTRY_PLATFORM" -- true; echo $?)"

# What is no request: the sentry answers, or hangs up, and lives.
if command -v python3 >/dev/null; then
	start --name four -- sleep 1000 >/dev/null
	python3 - "$XDG_RUNTIME_DIR/sentry/four/control" <<'PY'
import os, random, socket, struct, sys
rng = random.Random(5)
for i in range(300):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    kind = rng.randrange(1, 14)
    body = bytes(rng.randrange(256) for _ in range(rng.randrange(60)))
    if i % 3 == 0:
        kind, body = 10, struct.pack("IHHII", rng.randrange(4), 0, 0, rng.randrange(4), rng.choice([0, 1, 2**31])) + body
    size = rng.choice([len(body), 0, 2**32 - 1, len(body) + 5])
    head = struct.pack("IHHI", rng.choice([0x31797473] * 5 + [0]), kind, rng.randrange(4), size)
    if kind in (8, 9):
        continue # those end it rightly
    try:
        if rng.randrange(2):
            socket.send_fds(s, [head + body], [0, 1][:rng.randrange(3)])
        else:
            s.sendall((head + body)[:rng.randrange(1, 80)])
    except OSError:
        pass
    s.close()
PY
	is "nonsense on the socket" "alive" "$(sentry exec four echo alive)"
	sentry kill four
	until_true 100 eval '[ -z "$(sentry ls -q)" ]'
	sentry rm four
fi
finish

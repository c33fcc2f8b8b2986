#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# busybox sh, apk and openssl from an Alpine image.
. "$(dirname "$0")/lib.sh"
alpine_image

sh_is() # NAME WANTED SCRIPT
{
	is "$1" "$2" "$(run_image "$image" -- sh -c "$3" 2>&1)"
}

sh_is "echo" "hello" 'echo hello'
sh_is "pipeline" "3 c" 'printf "a\nb\nc\n" | tail -n 1 | { read x; echo "3 $x"; }'
sh_is "here-document" "one 2 three" 'x=2; cat <<E | tr "\n" " " | sed "s/ $//"
one
$x
three
E'
sh_is "background jobs" "a b c done" 'f=$(mktemp -u); mkfifo $f.1 $f.2; (read -r x <$f.2; printf "c ") & (read -r x <$f.1; printf "b "; echo >$f.2) & printf "a "; echo >$f.1; wait; echo done'
sh_is "job control of a pipeline of five" "45" 'seq 1 9 | cat | cat | awk "{s+=\$1} END {print s}"'
sh_is "exit status of wait" "7" 'sh -c "exit 7" & wait $!; echo $?'
sh_is "trap" "term ok" 'trap "printf %s\\  term" TERM; kill -TERM $$; echo ok'
sh_is "redirections" "out err" 'f=$(mktemp); { echo out; echo err >&2; } >$f 2>&1; tr "\n" " " <$f | sed "s/ $//"; rm $f'
sh_is "globs and loops" "/bin/sh" 'for f in /bin/s[h]; do echo $f; done'
sh_is "find and xargs" "yes" 'mkdir -p /tmp/t/a/b; touch /tmp/t/a/b/f; find /tmp/t -type f | xargs ls >/dev/null && echo yes'
sh_is "tar" "same" 'tar -C /etc -cf - apk | tar -C /tmp -xf - && diff -r /etc/apk /tmp/apk && echo same'
sh_is "subshell variables" "1" 'x=1; (x=2); echo $x'
sh_is "functions and arithmetic" "120" 'f() { [ $1 -le 1 ] && echo 1 || echo $(($1 * $(f $(($1 - 1))))); }; f 5'
sh_is "long pipeline of data" "$(head -c 2000000 /dev/zero | sha256sum | cut -d' ' -f1)" 'head -c 2000000 /dev/zero | cat | cat | sha256sum | cut -d" " -f1'
sh_is "who" "0 root" 'echo $(id -u) $(whoami)'
sh_is "ps sees itself" "yes" 'ps | grep -q "[p]s" && echo yes'
sh_is "signals to children" "143" 'sleep 100 & kill $!; wait $! 2>/dev/null; echo $?'
sh_is "a hundred processes" "100" 'i=0; while [ $i -lt 100 ]; do true && i=$((i + 1)); /bin/true; done; echo $i'
sh_is "ulimit" "100" 'ulimit -n 100; ulimit -n'
sh_is "date is the wall clock's" "ok" "n=\$(date +%s); [ \$n -ge $(date +%s) ] && [ \$n -le $(($(date +%s) + 60)) ] && echo ok"
sh_is "/proc/mounts names the root" "yes" 'grep -q " / " /proc/mounts && echo yes'

is "apk info" "yes" "$(run_image "$image" -- sh -c 'apk info 2>/dev/null | grep -qx busybox && apk info 2>/dev/null | grep -qx python3 && echo yes')"
is "apk audit" "0" "$(run_image "$image" -- sh -c 'apk audit --system >/tmp/a 2>&1; echo $?')"
is "apk version" "apk-tools" "$(run_image "$image" -- apk --version 2>&1 | cut -d' ' -f1)"

is "openssl rand" "32" "$(run_image "$image" -- openssl rand -hex 16 2>/dev/null | tr -d '\n' | wc -c | tr -d ' ')"
is "openssl rand differs" "2" "$(run_image "$image" -- sh -c 'openssl rand -hex 16; openssl rand -hex 16' | sort -u | wc -l | tr -d ' ')"
is "openssl digest" "$(printf abc | sha256sum | cut -d' ' -f1)" "$(run_image "$image" -- sh -c 'printf abc | openssl dgst -sha256 -r' | cut -d' ' -f1)"
is "openssl speed" "sha256" "$(run_image "$image" -- openssl speed -seconds 1 -bytes 64 sha256 2>/dev/null | awk 'END { print $1 }')"
is "openssl genrsa" "RSA key ok" "$(run_image "$image" -- sh -c 'openssl genrsa -out /tmp/k 1024 2>/dev/null; openssl rsa -in /tmp/k -check -noout 2>/dev/null')"
finish

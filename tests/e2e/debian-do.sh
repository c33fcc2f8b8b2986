#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# This machine's programs under `sentry do`, each with the same output and status as natively.
. "$(dirname "$0")/lib.sh"

# both NAME SCRIPT: in a directory of its own that is empty at the start, natively and in the guest.
both()
{
	local dir=$tmp/both

	rm -rf "$dir"
	mkdir "$dir"
	same_by "$1" both_in_guest both_native "$dir" "$2"
}
both_native()
{
	(cd "$1" && bash -c "$2")
	local st=$?
	rm -rf "$1"
	mkdir "$1"
	return $st
}
both_in_guest()
{
	(cd "$2" && guest -- bash -c "$3")
}

has()
{
	command -v "$1" >/dev/null
}

both "bash" 'set -o pipefail; a=(1 2 3); echo "${a[@]}" "${#a[@]}"; declare -A m=([x]=y); echo "${m[x]}"; cat <(echo sub); printf "%s\n" {a..c}{1,2}; [[ abc =~ b(.) ]] && echo "${BASH_REMATCH[1]}"; false | true; echo $?'
both "coreutils" 'seq 1 1000 | shuf --random-source=/etc/passwd | sort -n | md5sum; ls -la | wc -l; mkdir -p a/b; touch a/b/{x,y}; cp -r a c; diff -r a c && echo same; du -a c | wc -l; stat -c %F a/b/x; ln -s a l; readlink -f l/b | sed "s|.*/||"; df . >/dev/null && echo df; nproc >/dev/null && echo nproc; timeout 1 sleep 5; echo $?; rm -rf a c; ls'
both "grep, sed, awk" 'grep -c . /etc/passwd; sed -n "1p;\$p" /etc/passwd; awk -F: "{ n += length(\$0) } END { print n }" /etc/passwd'
both "processes" 'for i in 1 2 3; do (exit $i); echo $?; done; sleep 0.1 & wait; echo $?; bash -c "kill -9 \$\$"; echo $?; { sleep 100 & p=$!; kill $p; wait $p; } 2>/dev/null; echo $?'
if has perl; then
	both "perl" 'perl -e "print join(q(,), map { \$_ ** 2 } 1..5), qq(\n); my %h = (a => 1); print \"\$_\n\" for keys %h; if (my \$p = fork) { waitpid(\$p, 0); print \$? >> 8, qq(\n) } else { exit 5 }"; perl -MDigest::SHA=sha256_hex -MPOSIX -MSocket -MFile::Temp=tempfile -e "print sha256_hex(q(x)), qq(\n); print POSIX::floor(2.5), qq(\n)"'
fi
both "python3" '/usr/bin/python3 -c "
import os, sys, json, hashlib, subprocess, threading, socket, ssl, ctypes, math, re, zlib, tempfile
print(math.sqrt(2), hashlib.sha256(b\"x\").hexdigest())
print(subprocess.run([\"echo\", \"sub\"], capture_output=True, text=True).stdout, end=\"\")
a, b = socket.socketpair(); a.sendall(b\"pair\"); print(b.recv(9))
print(json.dumps({\"a\": [1, 2, None]}), zlib.crc32(b\"hello\"), re.sub(\"a+\", \"b\", \"caat\"))
print(os.getcwd() == os.environ[\"PWD\"], sorted(os.listdir(\"/\"))[:3])
"'
if has gcc; then
	both "gcc" 'cat >p.c <<E
#include <math.h>
#include <pthread.h>
#include <stdio.h>
static void *f(void *a) { return a; }
int main(void) { pthread_t t; void *r; pthread_create(&t, 0, f, (void *)5L); pthread_join(t, &r); printf("%.10f %ld\n", sqrt(2), (long)r); return 3; }
E
gcc -O2 -Wall -o p p.c -lm -pthread && ./p; echo $?; gcc -static -o ps p.c -lm -pthread && ./ps; echo $?; gcc -c p.c && nm p.o | grep -c " T main"; gcc -S p.c && grep -c "^main:" p.s; echo "int x" >bad.c; gcc -c bad.c 2>&1 | grep -c error'
	both "a library and dlopen" 'echo "int f(int x) { return 2 * x; }" >l.c; gcc -shared -fPIC -o libl.so l.c; printf "#include <dlfcn.h>\n#include <stdio.h>\nint main(void) { void *h = dlopen(\"./libl.so\", 2); int (*f)(int) = dlsym(h, \"f\"); printf(\"%%d\\\\n\", f(21)); return dlclose(h); }\n" >m.c; gcc -o m m.c -ldl && ./m; echo $?'
	if has make; then
		both "make -j4" 'for i in $(seq 1 12); do echo "int f$i(int x) { return x + $i; }" >f$i.c; done
{ for i in $(seq 1 12); do echo "int f$i(int);"; done; echo "#include <stdio.h>"; echo "int main(void) { int s = 0;"; for i in $(seq 1 12); do echo "s = f$i(s);"; done; echo "printf(\"%d\\n\", s); return 0; }"; } >main.c
printf "OBJS = main.o \$(patsubst %%,f%%.o,1 2 3 4 5 6 7 8 9 10 11 12)\nprog: \$(OBJS)\n\t\$(CC) -o \$@ \$^\n%%.o: %%.c\n\t\$(CC) -c -o \$@ \$<\n" >Makefile
make -s -j4 && ./prog; make -s -j4 && echo again; touch f3.c; make -n | grep -c " -c "; ls | wc -l'
	fi
fi
if has git; then
	both "git" 'export GIT_AUTHOR_DATE="2020-01-01T00:00:00Z" GIT_COMMITTER_DATE="2020-01-01T00:00:00Z" GIT_CONFIG_GLOBAL=/dev/null HOME=$PWD
git init -q -b main r && cd r && git config user.name N && git config user.email e@x
for i in $(seq 1 50); do echo $i >f$i; done; git add . && git commit -q -m one && git log --oneline | cat
echo changed >>f1; git diff --stat | cat; git commit -qam two; git checkout -q -b side HEAD~1; echo s >side; git add side; git commit -qm three; git merge -q main -m merged; git log --oneline | wc -l; git gc -q; git fsck 2>&1; git status --short; git clone -q . ../c && ls ../c | wc -l'
fi
if has sqlite3; then
	both "sqlite3" 'sqlite3 t.db "create table t(a integer primary key, b text); begin; with recursive c(x) as (select 1 union all select x+1 from c where x<5000) insert into t select x, hex(x*x) from c; commit; create index i on t(b); select count(*), sum(length(b)) from t; select b from t where a=77; pragma integrity_check;"; sqlite3 t.db "pragma journal_mode=wal; update t set b=a; select max(a) from t;"; sqlite3 t.db .dump | sha256sum'
fi
both "tar, gzip, xz" 'mkdir d; for i in $(seq 1 100); do head -c $((i * 300)) /usr/bin/env >d/$i; done; ln -s 1 d/l; ln d/2 d/h; chmod 600 d/3
for c in "" z J; do tar -c${c}f t.tar d && mkdir o && tar -x${c}f t.tar -C o && diff -r d o/d && stat -c "%a %h" o/d/3 o/d/h && rm -rf o; done; gzip -k d/50 && gunzip -t d/50.gz && echo ok; tar -tf t.tar | wc -l'
both "find" 'for d in /bin /etc /lib /sbin /usr /opt; do find $d -xdev 2>/dev/null | sort | sha256sum; find $d -xdev -type f ! -path /etc/resolv.conf -printf "%p %s %m %U %G %T@\n" 2>/dev/null | sort | sha256sum; done; find /usr -xdev -type l 2>/dev/null | wc -l'
# Others may change the tree meanwhile: a count counts when it is the same before and after.
count='find / -xdev \( -path /tmp -o -path /var -o -path /root -o -path /home -o -path "${SENTRY_SRC%/*}" -o -path /mnt -o -path /run -o -path /proc -o -path /sys -o -path /dev -o -path "*/__pycache__" \) -prune -o -print 2>/dev/null | wc -l'
for _ in 1 2 3 4 5; do
	before=$(bash -c "$count")
	inside=$(guest -- bash -c "$count")
	[ "$before" = "$(bash -c "$count")" ] && break
done
is "find / in count" "$before" "$inside"
both "locale and time zones" 'date -u -d @86400; TZ=Europe/Paris date -d @0 2>/dev/null; locale 2>/dev/null | head -n 1; getent passwd root'
finish

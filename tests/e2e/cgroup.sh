#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# cgroup v2: the tree, who is in it, pids.max, what it tells; the host's own tree is not ours to try it natively.
. "$(dirname "$0")/lib.sh"

in_cgroups()
{
	guest -- sh -c "mkdir -p /tmp/cg && mount -t cgroup2 -o nsdelegate none /tmp/cg && cd /tmp/cg || exit 99; $1" 2>&1
}

[ "$(guest -- id -u)" = 0 ] || skip "mounting needs root"
is "the root" "cgroup.controllers cgroup.max.depth cgroup.max.descendants cgroup.procs cgroup.stat cgroup.subtree_control cgroup.threads cpu.stat io.stat cpu io memory pids 0::/" \
	"$(in_cgroups 'ls; cat cgroup.controllers /proc/self/cgroup' | tr '\n' ' ' | sed 's/ $//')"
is "a member" "0::/a populated 1 frozen 0 populated 0 frozen 0" \
	"$(in_cgroups 'mkdir a; (echo 0 >a/cgroup.procs; exec sh -c "cat /proc/self/cgroup a/cgroup.events"); cat a/cgroup.events' | tr '\n' ' ' | sed 's/ $//')"
is "a member is not left by rmdir" "busy gone" \
	"$(in_cgroups 'mkdir a; sh -c "echo 0 >a/cgroup.procs; exec sleep 100" & sleep 0.3; rmdir a 2>/dev/null || echo busy; echo 1 >a/cgroup.kill; wait $! 2>/dev/null; rmdir a && echo gone' | grep -v Killed | tr '\n' ' ' | sed 's/ $//')"
is "pids.max" "max 1" \
	"$(in_cgroups 'echo +pids >cgroup.subtree_control; mkdir a; echo 3 >a/pids.max; sh -c "echo 0 >a/cgroup.procs; (sleep 1 & sleep 1 & sleep 1 & wait)" 2>/dev/null; cat a/pids.events')"
is "files come with the controller" "no yes" \
	"$(in_cgroups 'mkdir a; test -e a/pids.max || echo no; echo +pids >cgroup.subtree_control; test -e a/pids.max && echo yes' | tr '\n' ' ' | sed 's/ $//')"
is "no processes beside controlled children" "refused" \
	"$(in_cgroups 'echo +pids >cgroup.subtree_control; mkdir a; echo +pids >a/cgroup.subtree_control; (echo 0 >a/cgroup.procs) 2>/dev/null || echo refused')"
is "depth" "refused" "$(in_cgroups 'echo 1 >cgroup.max.depth; mkdir x; mkdir x/y 2>/dev/null || echo refused')"
is "poll and inotify" "ready POLLPRI modified" "$(in_cgroups 'mkdir a; python3 -c "
import os, select, subprocess, ctypes
libc = ctypes.CDLL(None)
i = libc.inotify_init(); libc.inotify_add_watch(i, b\"a/cgroup.events\", 2)
f = open(\"a/cgroup.events\"); f.read()
p = select.poll(); p.register(f, select.POLLPRI)
print(\"early\" if p.poll(0) else \"ready\")
c = subprocess.Popen([\"sh\", \"-c\", \"echo 0 >a/cgroup.procs; sleep 1\"])
print(\"POLLPRI\" if p.poll(100000) else \"nothing\")
print(\"modified\" if select.select([i], [], [], 100)[0] else \"nothing\")
c.wait()"' | tr '\n' ' ' | sed 's/ $//')"

hog='import sys
x = []
for i in range(int(sys.argv[1])): x.append(bytes([120]) * 1048576)
print(len(x) and chr(100) + chr(111) + chr(110) + chr(101))'
is "memory.max kills inside, and tells" "137 oom 1 oom_kill 1 oom_group_kill 0 peak" \
	"$(in_cgroups 'echo +memory >cgroup.subtree_control; mkdir a; echo 32M >a/memory.max; (sh -c "echo 0 >a/cgroup.procs; exec python3 -c \"\$0\" 100" "'"$hog"'") 2>/dev/null; echo $?
	grep -x "oom.*" a/memory.events; [ $(cat a/memory.peak) -le 33554432 ] && echo peak' | grep -v '^sentry:\|Killed' | tr '\n' ' ' | sed 's/ $//')"
is "below it, nobody is killed" "done 0" \
	"$(in_cgroups 'echo +memory >cgroup.subtree_control; mkdir a; echo 64M >a/memory.max; sh -c "echo 0 >a/cgroup.procs; exec python3 -c \"\$0\" 20" "'"$hog"'"; sed -n "s/^oom_kill //p" a/memory.events' | tr '\n' ' ' | sed 's/ $//')"
is "memory.current" "more less" \
	"$(in_cgroups 'echo +memory >cgroup.subtree_control; mkdir a; sh -c "echo 0 >a/cgroup.procs; exec python3 -c \"
x = bytearray(b\\\"x\\\") * (20 << 20)
print(\\\"more\\\" if int(open(\\\"a/memory.current\\\").read()) >= 20 << 20 else \\\"no\\\")\""; [ $(cat a/memory.current) -lt 10000000 ] && echo less' | tr '\n' ' ' | sed 's/ $//')"
is "memory.oom.group" "137 137" \
	"$(in_cgroups 'echo +memory >cgroup.subtree_control; mkdir a; echo 32M >a/memory.max; echo 1 >a/memory.oom.group; sh -c "echo 0 >a/cgroup.procs; exec sleep 60" & sleep 0.3; (sh -c "echo 0 >a/cgroup.procs; exec python3 -c \"\$0\" 100" "'"$hog"'") 2>/dev/null; echo $?; wait $!; echo $?' 2>&1 | grep -x '[0-9]*' | tr '\n' ' ' | sed 's/ $//')"
is "cpu.max" "slow throttled" \
	"$(in_cgroups 'echo +cpu >cgroup.subtree_control; mkdir a; echo "5000 50000" >a/cpu.max; sh -c "echo 0 >a/cgroup.procs; exec python3 -c \"
import time
t = time.time()
while time.process_time() < 0.3: pass
print(\\\"slow\\\" if time.time() - t > 1.5 else time.time() - t)\""; grep -q "nr_throttled [1-9]" a/cpu.stat && echo throttled' | tr '\n' ' ' | sed 's/ $//')"
is "cgroup.freeze" "0 max 50000 frozen 1 still moves frozen 0 killed" \
	"$(in_cgroups 'cat <<X >/tmp/count.sh
echo 0 >a/cgroup.procs; i=0; while :; do i=\$((i+1)); echo \$i >/tmp/count; done
X
	echo +cpu >cgroup.subtree_control; mkdir a; cat a/cgroup.freeze; echo "max 50000" >a/cpu.max; cat a/cpu.max; sh /tmp/count.sh & p=$!; until [ -s /tmp/count ]; do sleep 0.1; done
	echo 1 >a/cgroup.freeze; until grep -q "frozen 1" a/cgroup.events; do sleep 0.05; done; grep frozen a/cgroup.events
	x=$(cat /tmp/count); sleep 0.3; [ "$x" = "$(cat /tmp/count)" ] && echo still
	echo 0 >a/cgroup.freeze; until [ "$x" != "$(cat /tmp/count)" ]; do sleep 0.05; done; echo moves; grep frozen a/cgroup.events
	echo 1 >a/cgroup.freeze; kill -9 $p; wait $p 2>/dev/null; rmdir a && echo killed' | grep -v Killed | tr '\n' ' ' | sed 's/ $//')"
is "CLONE_INTO_CGROUP" "0::/a" "$(in_cgroups 'mkdir a; python3 -c "
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open(\"a\", os.O_RDONLY)
args = struct.pack(\"11Q\", 0x200000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, fd)
pid = libc.syscall(435, args, 88)
if pid == 0:
    print(open(\"/proc/self/cgroup\").read().strip(), flush=True)
    os._exit(0)
os.waitpid(pid, 0)"')"
is "time before it came is not the cgroup's" "little" "$(in_cgroups 'mkdir a; python3 -c "
import time
while time.process_time() < 0.5: pass
open(\"a/cgroup.procs\", \"w\").write(\"0\")
print(\"little\" if int(open(\"a/cpu.stat\").read().split()[1]) < 400000 else open(\"a/cpu.stat\").read())"')"
is "cpu.weight divides what all want" "100 -5 about three times" \
	"$(in_cgroups 'echo +cpu >cgroup.subtree_control; mkdir a b; cat a/cpu.weight; echo 300 >b/cpu.weight; cat b/cpu.weight.nice
	cat <<X >/tmp/spin.sh
echo 0 >\$1/cgroup.procs; while [ ! -e /tmp/end ]; do :; done
X
	for i in $(seq $(nproc)) more; do sh /tmp/spin.sh a & sh /tmp/spin.sh b & done
	usage() { sed -n "s/usage_usec //p" $1/cpu.stat; }
	until [ $(($(usage a) + $(usage b))) -ge 3000000 ]; do sleep 0.1; done; a=$(usage a) b=$(usage b); touch /tmp/end; wait
	[ $((b / (a / 10))) -ge 20 ] && [ $((b / (a / 10))) -le 45 ] && echo about three times || echo "$a $b"' | tr '\n' ' ' | sed 's/ $//')"
is "a cgroup namespace" "0::/ 0::/../.. 0::/x cgroup.procs / /../.. refused" \
	"$(in_cgroups 'mkdir a a/b; sh -c "echo 0 >a/b/cgroup.procs; exec unshare -C -m sh -c \"cat /proc/self/cgroup /proc/1/cgroup; mkdir /tmp/in; mount -t cgroup2 none /tmp/in
	mkdir /tmp/in/x; (echo 0 >/tmp/in/x/cgroup.procs; cat /proc/self/cgroup); ls /tmp/in | grep procs; grep in.rw.*cgroup2 /proc/self/mountinfo | cut -d\\  -f4
	grep cg.rw.*cgroup2 /proc/self/mountinfo | cut -d\\  -f4; echo 0 2>/dev/null >/tmp/cg/a/cgroup.procs || echo refused\""' 2>&1 | grep -v 'I/O error' | tr '\n' ' ' | sed 's/ $//')"
is "with nsdelegate limits are set from outside" "refused 7" \
	"$(in_cgroups 'echo +pids >cgroup.subtree_control; mkdir a; echo 7 >a/pids.max; sh -c "echo 0 >a/cgroup.procs; exec unshare -C sh -c \"echo 9 2>/dev/null >a/pids.max || echo refused; cat a/pids.max\""' | grep -v 'I/O error' | tr '\n' ' ' | sed 's/ $//')"
is "a user moves his own within what he was given" "0::/a/y no no" \
	"$(in_cgroups 'mkdir a a/x a/y; chown -R nobody a; sh -c "echo 0 >a/x/cgroup.procs; exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c \"echo 0 >a/y/cgroup.procs; cat /proc/self/cgroup; (echo 0 >cgroup.procs) 2>/dev/null || echo no\""
	chmod o+w a/x/cgroup.procs; setpriv --reuid 65534 --regid 65534 --clear-groups sh -c "(echo 0 >a/x/cgroup.procs) 2>/dev/null || echo no"' | grep -v 'I/O error' | tr '\n' ' ' | sed 's/ $//')"
finish

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
is "the root" "cgroup.controllers cgroup.max.depth cgroup.max.descendants cgroup.procs cgroup.stat cgroup.subtree_control cgroup.threads cpu.stat pids 0::/" \
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
finish

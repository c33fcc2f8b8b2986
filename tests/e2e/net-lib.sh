# SPDX-License-Identifier: Apache-2.0
# What the tests share in which a guest talks to programs of this machine, or they to it.  Sourced behind lib.sh.

PATH=$PATH:/usr/sbin:/sbin
# Programs that may run as another user look into it.
chmod 755 "$tmp"

# What is to be killed at the end, servers of this machine or guests.
started=()

cleanup()
{
	local p

	for p in "${started[@]}"; do kill "$p" 2>/dev/null; done
	for _ in $(seq 30); do
		kill -0 "${started[@]}" 2>/dev/null || break
		sleep 0.1
	done
	for p in "${started[@]}"; do kill -9 "$p" 2>/dev/null; done
	wait
	chmod -R u+rwx "$tmp" 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT

# has TOOL...: whether this machine has them all.
has()
{
	local tool

	for tool; do
		command -v "$tool" >/dev/null || { echo "left out: $tool is not installed"; return 1; }
	done
}

# A port below those that the kernel hands out, free at the moment.
port()
{
	local p

	while :; do
		p=$((RANDOM % 20000 + 10000))
		(exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || { echo $p; return; }
	done
}

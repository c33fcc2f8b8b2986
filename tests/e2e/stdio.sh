#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Standard streams: pipes, files, closed ones, large transfers, broken pipes, a process that outlives its output.
. "$(dirname "$0")/lib.sh"

is "stdin to stdout" "hello" "$(echo hello | guest -- cat)"
is "stderr is apart" "err" "$(guest -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)"
seq 1 200000 >"$tmp/numbers"
is "through a pipe" "$(sha256sum <"$tmp/numbers")" "$(cat "$tmp/numbers" | guest -- cat | sha256sum)"
guest -- sort -rn <"$tmp/numbers" >"$tmp/sorted"
is "from a file, to a file" "$(sort -rn "$tmp/numbers" | sha256sum)" "$(sha256sum <"$tmp/sorted")"
is "a shared offset" "$(printf 'first\nsecond')" \
	"$(printf 'first\nsecond\n' >"$tmp/two"; { guest -- sh -c 'read x; echo "$x"'; cat; } <"$tmp/two")"
echo one >"$tmp/app"
guest -- sh -c 'echo two; echo three' >>"$tmp/app"
is "appended" "one two three" "$(tr '\n' ' ' <"$tmp/app" | sed 's/ $//')"
guest -- yes 2>/dev/null | head -n 3 >"$tmp/yes"
is "the reader goes away" "3 141" "$(wc -l <"$tmp/yes" | tr -d ' ') $(guest -- yes 2>/dev/null | (head -n 1 >/dev/null); echo "${PIPESTATUS[0]}")"
is "stdin closed" "0" "$(guest -- sh -c 'cat 2>/dev/null | wc -c' <&- | tr -d ' ')"
is "empty stdin" "0" "$(guest -- wc -c </dev/null | tr -d ' ')"
is "pipelines inside" "$(seq 1 1000 | grep 7 | sort -r | head -n 5 | tr '\n' ' ')" \
	"$(guest -- sh -c 'seq 1 1000 | grep 7 | sort -r | head -n 5 | tr "\n" " "')"
is "binary data" "$(head -c 3000000 /dev/zero | tr '\0' '\377' | sha256sum)" \
	"$(guest -- sh -c 'head -c 3000000 /dev/zero | tr "\0" "\377"' | sha256sum)"
is "two guests in a pipeline" "$(seq 1 5000 | sha256sum)" "$(guest -- seq 1 5000 | guest -- cat | sha256sum)"
is "what a background process writes after the end is not waited for" "now" "$(guest -- sh -c '(sleep 30; echo late) & echo now')"

need python3

# Freed memory is filled, for builds that no sanitizer watches.
is "a stream closed that was waited for" "done" "$(sleep 2 | MALLOC_PERTURB_=90 guest -- python3 -c 'import os, select
p = select.poll()
p.register(0, select.POLLIN)
p.poll(50)
os.close(0)
for i in range(10):
    q = select.poll()
    q.register(1, select.POLLHUP)
    q.poll(20)
print("done")')"

# What can be mapped outside can be mapped inside.
map='import mmap, sys
m = mmap.mmap(0, 0, mmap.%s, mmap.PROT_READ)
print(len(m), m[-4:], m[:3])'
seq 1 5000 >"$tmp/map"
for how in MAP_PRIVATE MAP_SHARED; do
	is "mapped: $how" "$(python3 -c "${map/\%s/$how}" <"$tmp/map")" "$(guest -- python3 -c "${map/\%s/$how}" <"$tmp/map")"
done

# Only the standard descriptors are passed on, unless others are asked for; never one of a directory.
echo secret >"$tmp/secret"
is "no other descriptors" "none" "$(guest -- sh -c 'test -e /dev/fd/3 || test -e /dev/fd/4 || echo none' 3<"$tmp/secret" 4<"$tmp/secret")"
is "--preserve-fds 1" "secret one" "$(guest --preserve-fds 1 -- sh -c 'cat <&3; test -e /dev/fd/4 || echo one' 3<"$tmp/secret" 4<"$tmp/secret" | tr '\n' ' ' | sed 's/ $//')"
is "--preserve-fds all" "1c1 < a --- > b" "$(guest --preserve-fds all -- diff <(echo a) <(echo b) | tr '\n' ' ' | sed 's/ $//')"
is "never a directory" "none" "$(guest --preserve-fds 1 -- sh -c 'test -e /dev/fd/3 || echo none' 3<"$tmp")"

# The whole of it is not read ahead: a guest that reads one line leaves the rest of a pipe to the next reader.
is "not read ahead" "$(printf 'one\ntwo')" "$(printf 'one\ntwo\n' | { guest -- sh -c 'read x; echo "$x"'; cat; })"
finish

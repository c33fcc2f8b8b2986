#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --strace, --trace and `sentry trace`, the report of a crash with -v, the hint for what is missing.
. "$(dirname "$0")/lib.sh"

guest --strace -- sh -c 'echo hi >/dev/null; exit 3' >"$tmp/out" 2>"$tmp/strace"
is "the status is the guest's" 3 $?
for what in 'execve("' 'openat(AT_FDCWD, "' 'O_RDONLY' 'PROT_READ' 'MAP_PRIVATE' '/dev/null' 'write(1, "hi\\n", 3) *= 3' 'exit_group(3' '+++ exited with 3 +++'; do
	checks=$((checks + 1))
	grep -q -- "$what" "$tmp/strace" || problem "strace shows no $what"
done
guest --strace -- cat /no/such/file >/dev/null 2>"$tmp/strace"
grep -q 'openat(AT_FDCWD, "/no/such/file", O_RDONLY.*) *= -1 ENOENT (No such file or directory)' "$tmp/strace" ||
	problem "strace of a failing openat: $(grep such "$tmp/strace" | head -n 1)"
guest --strace="$tmp/file" -- true >/dev/null 2>"$tmp/err"
grep -q execve "$tmp/file" || problem "--strace=FILE has nothing in it"
is "--strace=FILE prints nothing" "" "$(cat "$tmp/err")"

guest --trace="$tmp/trace" -- sh -c 'kill -USR1 $$ & cat /etc/passwd | wc -l' >/dev/null 2>&1
"$SENTRY" trace "$tmp/trace" >"$tmp/text" 2>"$tmp/err"
is "sentry trace" 0 $?
for what in read write fault signal; do
	checks=$((checks + 1))
	grep -qi "$what" "$tmp/text" || problem "the trace shows no $what"
done
"$SENTRY" trace /dev/null >/dev/null 2>"$tmp/err"
is "sentry trace of no trace" 125 $?

"$SENTRY" do -v --platform="$SENTRY_PLATFORM" -- /usr/bin/python3 -S -c 'import ctypes; ctypes.string_at(0x1234)' >"$tmp/out" 2>"$tmp/err"
is "a crash" 139 $?
for what in SIGSEGV 1234 rip rsp; do
	checks=$((checks + 1))
	grep -qi "$what" "$tmp/err" || problem "the crash report has no $what"
done
guest -- /usr/bin/python3 -S -c 'import ctypes; ctypes.string_at(0x1234)' >"$tmp/out" 2>"$tmp/err"
is "quiet about it with -q" "" "$(cat "$tmp/err")"
is "doctor" 0 "$("$SENTRY" doctor >"$tmp/out" 2>&1; echo $?)"
grep -q "$SENTRY_PLATFORM" "$tmp/out" || problem "doctor does not name the platform"
finish

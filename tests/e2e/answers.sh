#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Calls that are answered where they are made, on the platform that does it: -v counts them, strace sees them all.
. "$(dirname "$0")/lib.sh"

need gcc
cat >"$tmp/calls.c" <<'C'
#define _GNU_SOURCE
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	uint64_t set = 0x200, old;
	long nr = atol(argv[1]), a = 0, b = 0, c = 0, d = 0;
	int word = 0;
	unsigned cpu;

	if (nr == SYS_rt_sigprocmask)
		b = (long)&set, c = (long)&old, d = 8;
	if (nr == SYS_futex)
		a = (long)&word, b = argc > 2 ? 128 : 129, c = 1;
	if (nr == SYS_getcpu)
		a = (long)&cpu;
	for (int i = 0; i < 5000; i++)
		syscall(nr, a, b, c, d);
	return 0;
}
C
gcc -w -O1 -o "$tmp/calls" "$tmp/calls.c" || skip "gcc does not work"

is "strace sees all" 5000 "$("$SENTRY" do --strace --platform="$SENTRY_PLATFORM" -- "$tmp/calls" 110 2>&1 | grep -c getppid)"
[ "$SENTRY_PLATFORM" = systrap ] || finish

# answered NAME NUMBER [ARG]: nearly all of 5000 calls.
answered()
{
	local n

	n=$("$SENTRY" do -v --platform=systrap -- "$tmp/calls" "${@:2}" 2>&1 | sed -n 's/.*calls: \([0-9]*\) answered.*/\1/p')
	[ "${n:-0}" -ge 4900 ] && [ "$n" -le 5200 ]
	is "$1 is answered in the stub" 0 $?
}

answered getpid 39
answered gettid 186
answered getppid 110
answered getuid 102
answered geteuid 107
answered getgid 104
answered getegid 108
answered getpgrp 111
answered getpgid 121
answered getsid 124
answered sched_yield 24
answered getcpu 309
answered rt_sigprocmask 14
answered "futex wake" 202
answered "futex wait" 202 wait

is "without patches nothing is answered" 0 \
	"$("$SENTRY" do -v --no-patch --platform=systrap -- "$tmp/calls" 110 2>&1 | sed -n 's/.*calls: \([0-9]*\) answered.*/\1/p')"
# A guest that writes its own answers: the page of its thread is at %gs:56, the futex counts are at a fixed place.
cat >"$tmp/liar.c" <<'C'
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void)
{
	uint64_t none = 0, old = 0;
	char *page;

	for (int i = 0; i < 100; i++)
		syscall(SYS_getpid);
	__asm__ volatile("mov %%gs:56,%0" : "=r"(page));
	memset(page + 512 + 32, 0xff, 200);
	memset((void *)0x7fffe1005000, 0xff, 4096);
	printf("%ld\n", syscall(SYS_getpid));
	/* What the sentry does not answer: it knows. */
	printf("%d\n", getpgid(getpid()) == getpgid(getppid()));
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &old, 8);
	printf("%d\n", (old & 1UL << (SIGKILL - 1)) != 0);
	fflush(stdout);
	/* All is blocked now, it says.  SIGKILL is not. */
	raise(SIGTERM);
	raise(SIGKILL);
	return (int)none;
}
C
gcc -w -O1 -o "$tmp/liar" "$tmp/liar.c"
cat >"$tmp/liar.sh" <<'S'
"$1"
echo "$?"
"$2" 110 && echo others go on
S
"$SENTRY" do -q --platform=systrap -- sh "$tmp/liar.sh" "$tmp/liar" "$tmp/calls" >"$tmp/out" 2>&1
is "a guest that lies to itself" "137 others go on" "$(tail -n 2 "$tmp/out" | tr '\n' ' ' | sed 's/ $//')"

# spins HOW: how often a pair was split.
spins()
{
	"$SENTRY" do -v --spin="$1" --no-patch --platform=systrap -- "$tmp/calls" 110 2>&1 | sed -n 's/.*spinning: \([0-9]*\) times.*/\1/p'
}

is "--spin=never" 0 "$(spins never)"
"$SENTRY" do --spin=sideways -- true 2>/dev/null
is "--spin has three words" 125 $?
if [ "$(nproc)" -gt 1 ]; then
	# It takes 64 calls.
	for _ in 1 2 3 4 5 6 7 8; do
		n=$(spins always)
		[ "$n" = 0 ] || break
	done
	[ "$n" != 0 ]
	is "--spin=always" 0 $?
fi
is "a child's sites are known from its parent" yes "$("$SENTRY" do -v --platform=systrap -- sh -c \
	'i=0; while [ $i -lt 40 ]; do umask >/dev/null; i=$((i + 1)); done
	(i=0; while [ $i -lt 40 ]; do umask >/dev/null; i=$((i + 1)); done); exit 0' 2>&1 |
	grep -q '([1-9][0-9]* of them known from before)' && echo yes)"
is "patched sites are counted" yes \
	"$("$SENTRY" do -v --platform=systrap -- "$tmp/calls" 110 2>&1 | grep -q 'call sites: [1-9][0-9]* patched' && echo yes)"
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Hosts that allow less than this one: a guest runs, or one sentence names what is in the way and what mends it, and the exit
# status is 125.  lib/restricted makes such a host; what it can't make here is skipped, with the reason.
. "$(dirname "$0")/lib.sh"

restricted=$SENTRY_BUILD/tests/e2e/lib/restricted
[ -x "$restricted" ] || { problem "tests/e2e/lib/restricted is not built: make e2e"; finish; }
cd / || exit 1
nobody=65534
left_out=

# on OPTION... -- COMMAND...: runs it on such a host, to $out, $err and $status; false when this machine can't be made one.
on()
{
	# By pipes: files would fall under the limit on their size.
	out=$(
		{
			timeout -s KILL 60 "$restricted" "$@" </dev/null 2>&1 >&3 3>&- | cat >"$tmp/err"
			exit "${PIPESTATUS[0]}"
		} 3>&1
	)
	status=$?
	err=$(cat "$tmp/err")
	[ $status != 77 ] || { left_out+="left out: $out"$'\n'; return 1; }
}

plain=(do -q "--platform=$SENTRY_PLATFORM" --memory=64m --)

# works NAME OPTION...
works()
{
	local name=$1

	shift
	on "$@" -- "$SENTRY" "${plain[@]}" /bin/sh -c '/bin/echo guest; exit 3' || return
	is "$name" "guest, status 3: " "$out, status $status: $err"
}

# refuses NAME PATTERN OPTION...: the pattern is of the one line on standard error.
refuses()
{
	local name=$1 pattern=$2

	shift 2
	on "$@" -- "$SENTRY" "${plain[@]}" /bin/echo guest || return
	is "$name: status" ": 125" "$out: $status"
	is "$name: lines" 1 "$(wc -l <"$tmp/err")"
	# shellcheck disable=SC2254
	case $err in
	"sentry: "$pattern) ;;
	*) problem "$name: $err" ;;
	esac
}

# --- what a container or a security module keeps away ---

for user in "" "--no-caps" "--uid $nobody"; do
	# shellcheck disable=SC2086
	works "docker's default profile ${user:-(root)}" --docker $user
done
if [ "$SENTRY_PLATFORM" = systrap ]; then
	for error in EPERM ENOSYS; do
		for user in --no-caps "--uid $nobody"; do
			# shellcheck disable=SC2086
			works "no ptrace ($error, $user)" --deny ptrace=$error --deny process_vm_readv=$error \
				--deny process_vm_writev=$error $user
			# shellcheck disable=SC2086
			works "docker's profile without ptrace ($error, $user)" --docker --deny ptrace=$error $user
		done
	done
	# What falls back says so in one line.
	on --deny eventfd2=EPERM -- "$SENTRY" do --platform=auto --memory=64m -- /bin/echo guest &&
		is "auto falls back" "guest, sentry: warning: the systrap platform does not work here: Operation not permitted; trying ptrace" \
			"$out, $err"
else
	refuses "no ptrace" "cannot use platform 'ptrace': the host forbids ptrace here (*)*; try 'sentry doctor'" --deny ptrace=EPERM
fi
on --deny ptrace=EPERM --uid $nobody -- "$SENTRY" do --platform=auto --memory=64m -- /bin/echo guest &&
	is "auto without ptrace" "guest, " "$out, $err"

refuses "no seccomp" "cannot use platform '*': the host refuses seccomp filters (*" --deny seccomp=EPERM
refuses "no pidfds" "cannot use platform '*': the host refuses pidfds (*it needs Linux 5.3*" --deny pidfd_open=ENOSYS
refuses "pidfds without signals" "cannot use platform '*': the host refuses pidfds (*" --deny pidfd_send_signal=EPERM
refuses "no execveat" "cannot use platform '*': the host refuses to execute a memfd (execveat: *" --deny execveat=EACCES
refuses "no memfd" "cannot set up guest memory: Function not implemented" --deny memfd_create=ENOSYS
refuses "no executable memfd" "cannot use platform '*': *sysctl vm.memfd_noexec=0*" --memfd-noexec 2
works "memfds are not executable by themselves" --memfd-noexec 1
works "no userfaultfd" --deny userfaultfd=ENOSYS
works "no Landlock" --deny landlock_create_ruleset=ENOSYS
works "no personality" --deny personality=EPERM
works "no affinity" --deny sched_setaffinity=EPERM
works "an old kernel" --deny close_range=ENOSYS --deny openat2=ENOSYS --deny statx=ENOSYS --deny clone3=ENOSYS \
	--deny faccessat2=ENOSYS --deny rseq=ENOSYS --deny membarrier=ENOSYS

# --- files ---

works "no /proc" --empty /proc --no-caps
works "no /proc, as a user" --empty /proc --uid $nobody
works "hidepid" --hidepid --uid $nobody
works "read-only /tmp" --read-only /tmp --no-caps
works "no /dev/shm" --empty /dev/shm --no-caps
refuses "a directory that was removed" "cannot tell the current directory: *; try -w DIR" --deleted-cwd
if on --deleted-cwd -- "$SENTRY" do -q --platform="$SENTRY_PLATFORM" -w / -- /bin/pwd; then
	is "a directory that was removed, another one given" "/" "$out$err"
fi
mkdir -m 700 "$tmp/closed"
if on --uid $nobody -- /bin/true && [ "$(id -u)" = 0 ]; then
	cd "$tmp/closed" || exit 1
	refuses "a directory that can't be read" "cannot *$tmp/closed*" --uid $nobody
	cd / || exit 1
fi
on -- /usr/bin/env -u HOME -u PATH -u TERM "$SENTRY" "${plain[@]}" /bin/echo guest && is "HOME is not set" "guest" "$out$err"

# --- limits ---

refuses "open files" "the limit of 64 open files (RLIMIT_NOFILE) is too low; raise it, *ulimit -n*" --limit nofile=64
works "few open files" --limit nofile=128
refuses "stack" "the limit of 131072 bytes of stack (RLIMIT_STACK) is too low; *ulimit -s*" --limit stack=131072
works "a small stack" --limit stack=262144
works "a stack without limit" --limit stack=18446744073709551615
refuses "address space" "cannot *: the limit of 67108864 bytes of address space (RLIMIT_AS) *ulimit -v*" \
	--limit as=67108864
refuses "data" "cannot *: the limit of 16777216 bytes of data (RLIMIT_DATA) *ulimit -d*" --limit data=16777216
refuses "file size" "cannot set up guest memory: the limit of 1048576 bytes a file (RLIMIT_FSIZE) *ulimit -f*" --limit fsize=1048576
works "locked memory" --limit memlock=0 --uid $nobody
# A user whom nobody else is, as far as that can be had.
alone=$((200000 + BASHPID))
refuses "processes" "cannot start the network helper: the limit of 1 processes * (RLIMIT_NPROC) *ulimit -u*" \
	--limit nproc=1 --uid $alone
refuses "a few processes" "cannot use platform '*': *the limit of 3 processes * (RLIMIT_NPROC) *ulimit -u*" --limit nproc=3 --uid $alone
# Threads beyond the limit, whichever of the two that stand for one of the guest's meets it.
for n in 60 61; do
	on --limit nproc=$n --uid $alone -- "$SENTRY" "${plain[@]}" "$SENTRY_BUILD/tests/e2e/lib/threads" idle 100 &&
		is "threads beyond $n" "pthread_create: Resource temporarily unavailable, 1" "$out, $status"
done
works "enough processes" --limit nproc=30 --uid $alone

# --- what callers leave ---

for fd in 0 2 "0 --close 2"; do
	# shellcheck disable=SC2086
	works "closed: $fd" --close $fd
done
on --close 0 --close 1 --close 2 -- "$SENTRY" "${plain[@]}" /bin/sh -c 'exit 3' && is "all closed" 3 $status
works "SIGCHLD is ignored" --ignore 17
works "all is ignored" --ignore 1 --ignore 2 --ignore 13 --ignore 14 --ignore 15 --ignore 17 --ignore 23
works "all signals are blocked" --block
refuses "set-user-ID" "it was given rights that its caller lacks (by set-user-ID, *); it needs none: take them from its file" --set-id

# --- what this machine has or has not ---

if [ -r /proc/sys/kernel/yama/ptrace_scope ]; then
	echo "note: yama ptrace_scope is $(cat /proc/sys/kernel/yama/ptrace_scope) here"
else
	echo "left out: no yama on this machine"
fi
printf %s "$left_out" | sort -u
finish

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the end-to-end scripts share.  A script sources it, makes its checks, and ends with `finish`:
#
#     guest [OPTION...] -- COMMAND...    runs COMMAND under `sentry do` on the platform under test
#     same NAME COMMAND...               runs COMMAND natively and in a guest: output and exit status must be equal
#     is NAME WANTED GOT                 compares two strings
#     skip REASON                        the machine lacks something
#     alpine_image [PACKAGE...]          makes the Alpine image once; its path is in $image
#     debian_image [PACKAGE...]          the same from this machine's own packages
#     await COMMAND...                   waits until COMMAND succeeds
#
# A failed check prints what differs, and the script goes on.
set -u
export LC_ALL=C

SENTRY_SRC=${SENTRY_SRC:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
SENTRY_BUILD=${SENTRY_BUILD:-$SENTRY_SRC/build}
SENTRY=${SENTRY:-$SENTRY_BUILD/bin/sentry}
SENTRY_PLATFORM=${SENTRY_PLATFORM:-systrap}
export SENTRY SENTRY_SRC SENTRY_BUILD SENTRY_PLATFORM

tmp=$(mktemp -d "${SENTRY_TEST_TMP:-${TMPDIR:-/tmp}}/e2e.XXXXXX") || exit 1
trap 'chmod -R u+rwx "$tmp" 2>/dev/null; rm -rf "$tmp"' EXIT
failures=0
checks=0

skip()
{
	echo "$1"
	exit 77
}

need()
{
	local tool

	for tool; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
}

guest()
{
	"$SENTRY" do -q --platform="$SENTRY_PLATFORM" "$@"
}

run_image()
{
	"$SENTRY" run -q --platform="$SENTRY_PLATFORM" "$@"
}

problem()
{
	failures=$((failures + 1))
	echo "not ok: $*"
}

is()
{
	checks=$((checks + 1))
	[ "$2" = "$3" ] && return 0
	problem "$1"
	diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") | head -n 40 | sed 's/^/    /'
	return 1
}

# same_by NAME HOW COMMAND...: HOW is a function that runs its arguments in a guest.
same_by()
{
	local name=$1 how=$2 ns gs

	shift 2
	checks=$((checks + 1))
	"$@" </dev/null >"$tmp/native.out" 2>"$tmp/native.err"
	ns=$?
	"$how" "$@" </dev/null >"$tmp/guest.out" 2>"$tmp/guest.err"
	gs=$?
	if [ $ns = $gs ] && cmp -s "$tmp/native.out" "$tmp/guest.out"; then
		return 0
	fi
	problem "$name: natively exit status $ns, in the guest $gs"
	diff -U 1 --label native --label guest "$tmp/native.out" "$tmp/guest.out" | head -n 40 | sed 's/^/    /'
	head -n 15 "$tmp/guest.err" | sed 's/^/    stderr: /'
	return 1
}

in_guest()
{
	guest -- "$@"
}

same()
{
	local name=$1

	shift
	same_by "$name" in_guest "$@"
}

# made FILE COMMAND...: makes FILE with COMMAND, which writes FILE.new, once, whoever of several tests comes first.
made()
{
	local file=$1

	shift
	[ ! -e "$file" ] || return 0
	mkdir -p "$(dirname "$file")"
	(
		flock 9
		[ ! -e "$file" ] || exit 0
		"$@" >"$file.log" 2>&1 9>&- && mv "$file.new" "$file" && exit 0
		cat "$file.log"
		rm -f "$file.new"
		exit 1
	) 9>"$file.lock"
}

# Where the Alpine material is: beside the repository, or in $ALPINE_DIR.
alpine_dir()
{
	local dir

	for dir in "${ALPINE_DIR:-}" "$SENTRY_SRC/../shared/alpine"; do
		if [ -n "$dir" ] && [ -x "$dir/mkimage.sh" ]; then
			(cd "$dir" && pwd)
			return 0
		fi
	done
	return 1
}

alpine_image()
{
	local dir

	dir=$(alpine_dir) || skip "no Alpine material beside the repository, and no ALPINE_DIR"
	command -v mke2fs >/dev/null || PATH=$PATH:/usr/sbin:/sbin
	[ "$(id -u)" = 0 ] || need fakeroot
	image=$SENTRY_BUILD/tests/images/alpine.img
	made "$image" "$dir/mkimage.sh" -o "$image.new" -p "openssl" || { problem "the image could not be made"; finish; }
}

debian_image()
{
	image=$SENTRY_BUILD/tests/images/debian.img
	made "$image" "$SENTRY_SRC/tools/mkimage.sh" "$image.new" "$@" || { problem "the image could not be made"; finish; }
}

# await COMMAND...: until it succeeds; false after longer than any load explains.
await()
{
	local i

	for ((i = 0; i < 1200; i++)); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}

# All descendants of $1, also those in other groups and sessions.
descendants()
{
	local p

	for p in $(ps -o pid= --ppid "$1"); do
		echo "$p"
		descendants "$p"
	done
}

# Processes of sentries that have no sentry any more.  Some may be about to end, of this test or another.
strays()
{
	ps -o pid=,ppid=,comm= -u "$(id -u)" | while read -r pid ppid comm; do
		case $comm in
		sentry-net* | sentry-spawner* | memfd:sentry*)
			case $(cat "/proc/$ppid/comm" 2>/dev/null) in sentry* | memfd:*) ;; *) echo "$pid" ;; esac
			;;
		esac
	done
}

# gone PID...: whether none of these runs any more.
gone()
{
	local p

	for p; do
		[ ! -e "/proc/$p" ] || [ "$(sed 's/.*) //; s/ .*//' "/proc/$p/stat" 2>/dev/null)" = Z ] || return 1
	done
}

finish()
{
	echo "$checks checks, $failures failed"
	[ "$failures" = 0 ]
	exit
}

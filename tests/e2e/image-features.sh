#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 200
# Images with each feature that ext4 can have: written, or refused by name with a command that mends it; what the command makes is
# written then.  Whatever can't be written can be read.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
need mke2fs tune2fs e2fsck debugfs

mkdir -p "$tmp/tree/bin"
printf 'int main(int c, char **v) { return 0; }\n' >"$tmp/true.c"
${CC:-cc} -static -o "$tmp/tree/bin/true" "$tmp/true.c" || skip "no compiler for a static program"
img=$tmp/img

# made OPTIONS...: a fresh image with a program in it.
make_image()
{
	rm -f "$img"
	mke2fs -q -F -d "$tmp/tree" "$@" "$img" 64M >"$tmp/mke2fs" 2>&1 || { problem "mke2fs $*: $(head -n 1 "$tmp/mke2fs")"; return 1; }
}

written()
{
	run_image --rw "$img" -- /bin/true 2>"$tmp/err"
	is "$1: written" 0 $? || head -n 3 "$tmp/err"
	e2fsck -fn "$img" >/dev/null 2>&1
	is "$1: e2fsck" 0 $?
}

# refused NAME WORDS: --rw says one sentence with WORDS, changes nothing, and a run without it works.
refused()
{
	local sum

	sum=$(sha256sum <"$img")
	run_image --rw "$img" -- /bin/true 2>"$tmp/err"
	is "$1: refused" 125 $?
	is "$1: one line" 1 "$(wc -l <"$tmp/err")"
	grep -qF -- "$2" "$tmp/err" || problem "$1: says $(cat "$tmp/err")"
	is "$1: unchanged" "$sum" "$(sha256sum <"$img")"
	run_image "$img" -- /bin/true 2>"$tmp/err"
	is "$1: read" 0 $? || head -n 3 "$tmp/err"
}

# mended NAME: what the sentence said is done; a new file system gets its files again.
mended()
{
	local command

	command=$(sed -n 's/.* with: //p' "$tmp/said")
	case $command in
	mke2fs*) command="mke2fs -q -F -d $tmp/tree ${command#mke2fs }" ;;
	esac
	(eval "$command") </dev/null >"$tmp/mend" 2>&1
	e2fsck -fy "$img" >/dev/null 2>&1 # tune2fs asks for it now and then
	# Some lack two things.
	if ! run_image --rw "$img" -- /bin/true 2>"$tmp/said" && [ "${2:-}" != again ]; then
		mended "$1" again
		return
	fi
	written "$1: after '$command'"
}

for o in "-b 1024" "-b 2048" "-b 4096" "-b 4096 -O metadata_csum_seed" "-b 4096 -O large_dir" "-b 4096 -O meta_bg,^resize_inode" \
	"-b 4096 -O ^64bit,^metadata_csum" "-b 4096 -O ^flex_bg" "-b 4096 -I 128" "-b 4096 -O ^dir_index" "-b 4096 -O ^huge_file"; do
	# shellcheck disable=SC2086
	make_image -t ext4 $o && written "$o"
done

while IFS='|' read -r options words; do
	# shellcheck disable=SC2086
	make_image $options || continue
	refused "$options" "$words"
	run_image --rw "$img" -- /bin/true 2>"$tmp/said"
	mended "$options"
done <<'END'
-t ext4 -b 4096 -O inline_data|'inline_data'
-t ext4 -b 4096 -O bigalloc|'bigalloc'
-t ext4 -b 4096 -O encrypt|'encrypt'
-t ext4 -b 4096 -O casefold|'casefold'
-t ext4 -b 4096 -O ea_inode|'ea_inode'
-t ext4 -b 4096 -O mmp|'mmp'
-t ext4 -b 4096 -O quota|'quota'
-t ext4 -b 4096 -O quota,project|'quota'
-t ext4 -b 4096 -O verity|'verity'
-t ext4 -b 4096 -O sparse_super2|'sparse_super2'
-t ext4 -b 4096 -O stable_inodes|'stable_inodes'
-t ext4 -b 4096 -O fast_commit|'fast_commit'
-t ext4 -b 4096 -O orphan_file|'orphan_file'
-t ext4 -b 4096 -O ^has_journal|tune2fs -j
-t ext3 -b 4096|tune2fs -O extents
-t ext2 -b 4096|tune2fs -j
-t ext4 -b 65536 |65536 bytes
END

# A journal of another file.
rm -f "$tmp/journal"
if mke2fs -q -F -b 4096 -O journal_dev "$tmp/journal" 16M >/dev/null 2>&1; then
	make_image -t ext4 -b 4096 -O ^has_journal
	debugfs -w -R 'feature has_journal' "$img" >/dev/null 2>&1
	refused "a journal elsewhere" "tune2fs -O ^has_journal"
	run_image --rw "$tmp/journal" -- /bin/true 2>"$tmp/err"
	is "an external journal: refused" 125 $?
	grep -q "external journal" "$tmp/err" || problem "an external journal: says $(cat "$tmp/err")"
fi

# What is not a file with a file system.
make_image -t ext4 -b 4096
truncate -s 30M "$img"
for rw in "" --rw; do
	[ -p "$tmp/fifo" ] || mkfifo "$tmp/fifo"
	for what in "$img" "$tmp/fifo" /dev/null "$tmp/missing"; do
		# shellcheck disable=SC2086
		timeout 60 "$SENTRY" run -q --platform="$SENTRY_PLATFORM" $rw "$what" -- /bin/true 2>"$tmp/err" </dev/null
		is "${what##*/} $rw: status" 125 $?
		is "${what##*/} $rw: one line" 1 "$(wc -l <"$tmp/err")"
	done
done
make_image -t ext4 -b 4096
chmod 444 "$img"
if [ "$(id -u)" != 0 ]; then
	run_image --rw "$img" -- /bin/true 2>"$tmp/err"
	is "read-only file" 125 $?
	run_image "$img" -- /bin/true
	is "read-only file, read" 0 $?
fi
finish

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Images and programs that are damaged or hostile: one sentence on standard error and the right status, never a crash.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
need mke2fs dd

# refuses NAME STATUSES COMMAND...: ends with one of STATUSES, says something short, and does not die by a signal itself.
refuses()
{
	local name=$1 want=$2 st lines

	shift 2
	checks=$((checks + 1))
	timeout -k 5 300 "$@" </dev/null >"$tmp/out" 2>"$tmp/err"
	st=$?
	lines=$(wc -l <"$tmp/err")
	case " $want " in
	*" $st "*) ;;
	*)
		problem "$name: exit status $st"
		head -n 5 "$tmp/err" | sed 's/^/    /'
		;;
	esac
	[ "$lines" -ge 1 ] && [ "$lines" -le 4 ] || problem "$name: $lines lines of message"
	grep -qi 'sanitizer\|BUG\|assert' "$tmp/err" && problem "$name: $(grep -i -m1 'sanitizer\|BUG\|assert' "$tmp/err")"
}


image_refused()
{
	refuses "$1" 125 "$SENTRY" run --platform="$SENTRY_PLATFORM" "$2" -- /bin/true
}

: >"$tmp/empty.img"
image_refused "empty" "$tmp/empty.img"
head -c 100 /dev/zero >"$tmp/short.img"
image_refused "too short" "$tmp/short.img"
head -c 10000000 /dev/zero >"$tmp/zero.img"
image_refused "zeros" "$tmp/zero.img"
head -c 10000000 /dev/urandom >"$tmp/random.img"
image_refused "noise" "$tmp/random.img"
image_refused "a device" /dev/null
image_refused "missing" "$tmp/missing.img"
cp /bin/true "$tmp/elf.img"
image_refused "a program" "$tmp/elf.img"

mke2fs -q -F -t ext4 -b 4096 "$tmp/good.img" 16M >/dev/null 2>&1
refuses "an empty file system" "127 125" "$SENTRY" run --platform="$SENTRY_PLATFORM" "$tmp/good.img" -- /bin/true
cp "$tmp/good.img" "$tmp/cut.img"
truncate -s 3M "$tmp/cut.img"
refuses "cut off" "125 126 127" "$SENTRY" run --platform="$SENTRY_PLATFORM" "$tmp/cut.img" -- /bin/true
for feature in encrypt casefold; do
	cp "$tmp/good.img" "$tmp/feature.img"
	debugfs -w -R "feature $feature" "$tmp/feature.img" >/dev/null 2>&1
	refuses "feature $feature" "125 126 127" "$SENTRY" run --platform="$SENTRY_PLATFORM" "$tmp/feature.img" -- /bin/true
done

# Superblock, group descriptors, bitmaps and inode tables, a block at a time, filled with noise.
for block in 0 1 2 3 4 5 6 7 8; do
	for seed in 1 2 3; do
		cp "$tmp/good.img" "$tmp/bad.img"
		awk -v seed=$((block * 10 + seed)) 'BEGIN { srand(seed); for (i = 0; i < 2048; i++) printf "%c", int(rand() * 255) + 1 }' |
			dd of="$tmp/bad.img" bs=1 seek=$((block * 4096 + (block ? 0 : 1024))) conv=notrunc 2>/dev/null
		refuses "block $block, seed $seed" "125 126 127" "$SENTRY" run --platform="$SENTRY_PLATFORM" "$tmp/bad.img" -- /bin/true
	done
done

# Programs.
elf_refused()
{
	refuses "$1" "${3:-126}" "$SENTRY" do --platform="$SENTRY_PLATFORM" -- "$2"
}

mutate() # NAME OFFSET BYTES...: a copy of /bin/true with octal BYTES at OFFSET
{
	local name=$1 at=$2

	shift 2
	cp /bin/true "$tmp/$name"
	chmod 755 "$tmp/$name"
	printf "$(printf '\\%s' "$@")" | dd of="$tmp/$name" bs=1 seek="$at" conv=notrunc 2>/dev/null
}

mutate magic 0 0
elf_refused "magic" "$tmp/magic"
mutate machine 18 267
elf_refused "machine" "$tmp/machine"
mutate type 16 1
elf_refused "type" "$tmp/type"
mutate phnum 56 377 377
elf_refused "65535 program headers" "$tmp/phnum"
mutate phentsize 54 1
elf_refused "program header size" "$tmp/phentsize"
mutate phoff 32 377 377 377 377 377 377 377 177
elf_refused "program headers far away" "$tmp/phoff"
for size in 1 20 63 64 100 300 1000; do
	head -c $size /bin/true >"$tmp/cut"
	chmod 755 "$tmp/cut"
	elf_refused "cut to $size bytes" "$tmp/cut" "125 126 139"
done
printf '#!/no/such/interpreter\n' >"$tmp/script"
chmod 755 "$tmp/script"
elf_refused "script without interpreter" "$tmp/script" "126 127"

# Random damage anywhere in the headers: any end but a crash of sentry or a hang.
for seed in $(seq 1 40); do
	cp /bin/true "$tmp/fuzz"
	chmod 755 "$tmp/fuzz"
	awk -v seed="$seed" 'BEGIN { srand(seed); for (i = 0; i < 4; i++) print int(rand() * 900), int(rand() * 255) + 1 }' |
		while read -r at byte; do
			printf "\\$(printf %o "$byte")" | dd of="$tmp/fuzz" bs=1 seek="$at" conv=notrunc 2>/dev/null
		done
	checks=$((checks + 1))
	timeout -k 5 200 "$SENTRY" do -q --platform="$SENTRY_PLATFORM" -- "$tmp/fuzz" </dev/null >"$tmp/out" 2>"$tmp/err"
	st=$?
	[ $st != 124 ] || problem "fuzz seed $seed: hangs"
	grep -qi 'sanitizer\|BUG:\|assert' "$tmp/err" && problem "fuzz seed $seed: $(head -n 1 "$tmp/err")"
done
finish

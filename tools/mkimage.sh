#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# mkimage.sh [-s SIZE] IMAGE [PACKAGE...] - makes an ext4 guest image out of the host's own Debian packages.
#
# Takes the files of the named packages, and of the packages these depend on, as they are installed on this machine,
# without documentation.  The default is a small system with a shell and python3.  Needs no root and no network; the
# files in the image belong to root whoever runs this.  Nothing is left behind on failure.
#
# Needs: dpkg, tar, awk, e2fsprogs.
set -eu
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

die()
{
	echo "mkimage: $*" >&2
	exit 1
}

size=
while getopts s: opt; do
	case $opt in
	s) size=$OPTARG ;;
	*) die "usage: mkimage.sh [-s SIZE] IMAGE [PACKAGE...]" ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || die "usage: mkimage.sh [-s SIZE] IMAGE [PACKAGE...]"
image=$1
shift
[ $# -gt 0 ] || set -- base-files bash coreutils dash findutils grep gzip mawk python3 sed tar

for tool in dpkg-query tar awk mke2fs debugfs; do
	command -v "$tool" >/dev/null || die "$tool is missing"
done

work=$(mktemp -d "$(dirname "$image")/mkimage.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
root=$work/root
mkdir "$root"

# --- which packages: the named ones and, transitively, the installed ones they depend on ---------------------------
#
# Of alternatives the first installed one counts.  What only manages packages is left out.

dpkg-query -W -f='${db:Status-Status}\t${binary:Package}\t${Package}\t${Pre-Depends}, ${Depends}\n' |
	awk -F '\t' -v want="$*" '
	$1 == "installed" { if (!($3 in full)) { full[$3] = $2; deps[$3] = $4 } }
	function need(pkg,   list, alt, n, m, i, j, name) {
		if (pkg in done || pkg ~ /^(dpkg|debconf|perl-base|install-info|debianutils)$/)
			return
		done[pkg] = 1
		print full[pkg]
		n = split(deps[pkg], list, /,/)
		for (i = 1; i <= n; i++) {
			m = split(list[i], alt, /\|/)
			for (j = 1; j <= m; j++) {
				name = alt[j]
				gsub(/\(.*\)|:any|[ \t]/, "", name)
				if (name in full) {
					need(name)
					break
				}
			}
		}
	}
	END {
		n = split(want, w, " ")
		for (i = 1; i <= n; i++) {
			if (!(w[i] in full)) {
				print "mkimage: package " w[i] " is not installed" >"/dev/stderr"
				exit 1
			}
			need(w[i])
		}
	}' >"$work/packages"

# --- their files ----------------------------------------------------------------------------------------------------
#
# Packages name /bin/x where the merged /usr has /usr/bin/x.

merged=
for dir in bin sbin lib lib32 lib64 libx32; do
	[ ! -L "/$dir" ] || merged="$merged $dir"
done
xargs dpkg-query -L <"$work/packages" |
	awk -v merged="$merged" '
	BEGIN {
		n = split(merged, m, " ")
		for (i = 1; i <= n; i++)
			is_merged[m[i]] = 1
	}
	!/^\// || $0 == "/." { next }
	/^\/usr\/share\/(doc|doc-base|man|info|locale|lintian|bug|gdb|bash-completion|menu)(\/|$)/ { next }
	/\/__pycache__(\/|$)/ { next }
	{
		split($0, part, "/")
		if (part[2] in is_merged)
			$0 = "/usr" $0
		sub(/^\//, "")
		if (!seen[$0]++)
			print
	}' >"$work/names"
# A file that a local administrator removed, or that only root can read, is left out.
while IFS= read -r name; do
	if [ -L "/$name" ] || [ -r "/$name" ]; then
		printf '%s\n' "$name"
	fi
done <"$work/names" >"$work/files"
tar -C / --no-recursion -cf - -T "$work/files" | tar -C "$root" --no-same-owner -xpf - --delay-directory-restore

for dir in $merged; do
	[ ! -d "$root/usr/$dir" ] || [ -e "$root/$dir" ] || ln -s "usr/$dir" "$root/$dir"
done

# --- what the packages' scripts would have made -----------------------------------------------------------------------

for dir in dev etc home proc root run sys tmp var/tmp; do
	mkdir -p "$root/$dir"
done
chmod 1777 "$root/tmp" "$root/var/tmp"
chmod 700 "$root/root"
# Links such as awk -> /etc/alternatives/awk -> /usr/bin/mawk.
for link in /etc/alternatives/*; do
	target=$(readlink "$link") || continue
	[ -e "$root$target" ] || continue
	mkdir -p "$root/etc/alternatives"
	ln -sfn "$target" "$root$link"
	name=/usr/bin/${link##*/}
	[ "$(readlink "$name" 2>/dev/null)" != "$link" ] || ln -sfn "$link" "$root$name"
done
cat >"$root/etc/passwd" <<'EOF'
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
guest:x:1000:1000:guest:/home/guest:/bin/sh
EOF
cat >"$root/etc/group" <<'EOF'
root:x:0:
tty:x:5:
nogroup:x:65534:
guest:x:1000:
EOF
cat >"$root/etc/hosts" <<'EOF'
127.0.0.1	localhost
::1		localhost ip6-localhost ip6-loopback
EOF
echo guest >"$root/etc/hostname"
mkdir -p "$root/home/guest"

# --- the file system --------------------------------------------------------------------------------------------------

if [ -z "$size" ]; then
	kib=$(du -sk --apparent-size "$root" | cut -f1)
	size=$((kib * 3 / 2 / 1024 + 64))M
fi
mke2fs -q -F -t ext4 -b 4096 -L sentry-guest -E root_owner=0:0 -d "$root" "$work/image" "$size" >/dev/null

# mke2fs copies the owner from the host.
{
	find "$root" -mindepth 1 ! -path "$root/home/guest" ! \( -uid 0 -gid 0 \) -printf '"/%P"\n' |
		awk '{ print "sif " $0 " uid 0"; print "sif " $0 " gid 0" }'
	echo 'sif "/home/guest" uid 1000'
	echo 'sif "/home/guest" gid 1000'
} >"$work/owners"
debugfs -w -f "$work/owners" "$work/image" >/dev/null 2>"$work/errors" || die "$(cat "$work/errors")"
mv "$work/image" "$image"
echo "$image: $(wc -l <"$work/packages") packages, $(find "$root" | wc -l) files"

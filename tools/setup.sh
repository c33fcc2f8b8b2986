# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# What ./demo and ./check share: installing what is missing, and building in build/.  Sourced from the top directory;
# $me is the caller's name.

say()
{
	echo "$me: $*"
}

die()
{
	echo "$me: $*" >&2
	exit 1
}

build_packages="autoconf automake make gcc libc6-dev libelf-dev libext2fs-dev libseccomp-dev libslirp-dev libzydis-dev"

packages_missing()
{
	for pkg in "$@"; do
		case $(dpkg-query -W -f='${db:Status-Status} ' "$pkg" 2>/dev/null) in
		*installed\ *) ;;
		*) printf ' %s' "$pkg" ;;
		esac
	done
}

# Installs packages $*.  False when that can't be done; then says what root is to run.
apt_install()
{
	sudo=
	if [ "$(id -u)" != 0 ]; then
		# Without a terminal nobody could give a password.
		sudo=sudo
		[ -t 0 ] || sudo="sudo -n"
		$sudo true 2>/dev/null || {
			say "missing; to be run as root:  apt-get install $*"
			return 1
		}
	fi
	say "installing $*"
	# A fresh machine has no package lists, an old one outdated lists.
	$sudo apt-get -q update || say "the package lists could not be updated; trying with what is there"
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" || {
		say "could not be installed; to be run as root:  apt-get install $*"
		return 1
	}
}

# Installs those of the named Debian packages that are missing.  Elsewhere than on Debian configure will name what it needs.
packages_install()
{
	command -v dpkg-query >/dev/null || return 0
	missing=$(packages_missing "$@")
	# shellcheck disable=SC2086
	[ -z "$missing" ] || apt_install $missing
}

# Builds build/bin/sentry.
build()
{
	[ -x configure ] && [ ! configure -ot configure.ac ] && [ ! Makefile.in -ot Makefile.am ] || {
		say "making ./configure"
		./bootstrap >/dev/null 2>build.log || { cat build.log >&2; die "bootstrap failed"; }
		rm -f build.log
	}
	mkdir -p build
	# A build directory that was set up before Criterion was installed knows no unit tests.
	if [ ! -f build/Makefile ] || grep -q '^CRITERION_LIBS = *$' build/Makefile; then
		(cd build && ../configure -q) || die "configure failed"
	fi
	make -s --no-print-directory -C build -j"$(nproc)" >build/build.log || die "the build failed"
}

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# On a terminal: size, ^C, raw mode in the guest, and the terminal as it was afterwards, however the guest ended.
. "$(dirname "$0")/lib.sh"
need script stty

# Where nobody ever types: at the end of its input script would type a ^D, which is echoed when the guest reads none.
mkfifo "$tmp/keyboard"
exec 8<>"$tmp/keyboard"

# in_tty COMMAND: its output on a terminal of its own (80x24 at first).
in_tty()
{
	script -qec "$1" /dev/null <&8 2>&1 | tr -d '\r'
}

do_="'$SENTRY' do -q --platform='$SENTRY_PLATFORM' --"

is "is a terminal" "yes" "$(in_tty "$do_ sh -c 'test -t 0 && test -t 1 && test -t 2 && echo yes'")"
is "size" "33 77" "$(in_tty "stty rows 33 cols 77; $do_ stty size")"
is "tty names a terminal" "0" "$(in_tty "$do_ sh -c 'tty >/dev/null; echo \$?'")"

for how in 'exit 0' 'stty raw -echo; exit 0' 'stty raw -echo; kill -KILL $$' 'stty raw -echo; kill -SEGV $$' 'stty -icanon min 0; exit 3'; do
	is "settings after: $how" "same" \
		"$(in_tty "stty -g >'$tmp/a'; $do_ sh -c '$how'; stty -g >'$tmp/b'; cmp -s '$tmp/a' '$tmp/b' && echo same || echo different" | tail -n 1)"
done
is "settings after a timeout" "same" \
	"$(in_tty "stty -g >'$tmp/a'; '$SENTRY' do -q --timeout=1 --platform='$SENTRY_PLATFORM' -- sh -c 'stty raw; sleep 20'; stty -g >'$tmp/b'; cmp -s '$tmp/a' '$tmp/b' && echo same || echo different" | tail -n 1)"
is "settings after SIGTERM" "same" \
	"$(in_tty "stty -g >'$tmp/a'; timeout 2 $do_ sh -c 'stty raw; sleep 20'; stty -g >'$tmp/b'; cmp -s '$tmp/a' '$tmp/b' && echo same || echo different" | tail -n 1)"

# ^C typed on the terminal reaches the guest, and only it.
{ sleep 2; printf '\003'; sleep 1; } | script -qec "trap : INT; $do_ sh -c 'trap \"echo interrupted; exit 9\" INT; echo ready; sleep 10; echo no'; echo status \$?" /dev/null >"$tmp/out" 2>&1
is "^C" "interrupted status 9" "$(tr -d '\r' <"$tmp/out" | sed 's/\^C//' | grep -v ready | tr '\n' ' ' | sed 's/ *$//')"

# What is typed is read, with the line discipline.
{ sleep 1; printf 'abc\177d\n'; sleep 1; } | script -qec "$do_ sh -c 'read x; echo got:\$x'" /dev/null >"$tmp/out" 2>&1
is "line editing" "got:abd" "$(tr -d '\r' <"$tmp/out" | grep -o 'got:.*')"
finish

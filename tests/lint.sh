#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh [SOURCE-DIRECTORY] - checks what no compiler checks, and prints each offender as file:line: message.
#
#   - includes point one way (the layers below), and only platform/ includes the host's headers
#   - every source file is listed in Makefile.am (or tests/unit/unit.am), has its SPDX line, at most 800 lines and no overlong one
#   - no trailing white space, no missing final newline
set -eu
export LC_ALL=C.UTF-8

cd "${1:-$(dirname "$0")/..}"

list=$(mktemp "${TMPDIR:-/tmp}/sentry-lint.XXXXXX")
trap 'rm -f "$list"' EXIT
trap 'exit 1' HUP INT TERM

find sentry platform vfs netstack loader tests tools man m4 -type f \
	\( -name '*.[chS]' -o -name '*.sh' -o -name '*.awk' -o -name '*.py' -o -name '*.m4' -o -name '*.tbl' \) \
	2>/dev/null >"$list" || [ -s "$list" ]
find . -maxdepth 1 -type f \
	\( -name configure.ac -o -name Makefile.am -o -name bootstrap -o -name demo -o -name check \) >>"$list"
[ ! -d .ci ] || find .ci -type f >>"$list"
sort -o "$list" "$list"

awk '
BEGIN {
	# A file may include what its room names here.  Every room may include its own files, sentry/base and sentry/abi.
	below["sentry/abi"] = ""
	below["sentry/base"] = ""
	below["platform"] = ""
	below["sentry/mm"] = "platform"
	below["vfs"] = below["sentry/mm"] " sentry/mm"
	below["netstack"] = below["vfs"] " vfs"
	below["loader"] = below["netstack"] " netstack"
	below["sentry/kernel"] = below["loader"] " loader"
	below["sentry/sys"] = below["sentry/kernel"] " sentry/kernel"
	below["sentry/trace"] = below["sentry/sys"] " sentry/sys"
	below["sentry/cli"] = below["sentry/trace"] " sentry/trace"
	below["sentry"] = below["sentry/cli"] " sentry/cli"
	# Pseudo file systems that show tasks, and terminals, which know sessions and process groups.
	below["vfs/proc"] = below["sentry/kernel"] " sentry/kernel vfs"
	below["vfs/sysfs"] = below["vfs/cgroup"] = below["vfs/mqueue"] = below["vfs/devpts"] = below["vfs/proc"]

	for (room in below) {
		n = split(below[room], b, " ")
		for (i = 1; i <= n; i++)
			may[room, b[i]] = 1
		may[room, room] = may[room, "sentry/abi"] = may[room, "sentry/base"] = 1
	}

	# Headers of the host OS: they belong to platform/.
	host = "^(fcntl|unistd|signal|poll|dirent|termios|sched|seccomp|ucontext|pwd|grp|netdb|ifaddrs|spawn" \
		"|(sys|linux|asm|asm-generic|net|netinet|arpa)/.*)[.]h$"
	host_ok["sys/types.h"] = 1
	# The base library is below platform/host; these do its waiting, last words and log lines.
	host_file["sentry/base/futex_host.c"] = host_file["sentry/base/bug.c"] = host_file["sentry/base/log.c"] = 1

	# The calls upward: the loop that runs a task hands its system calls to the dispatcher, and the report of a
	# dead guest names the last ones.
	may_file["sentry/kernel/run.c", "sentry/sys/syscall.h"] = 1
	may_file["sentry/kernel/crash.c", "sentry/sys/syscall.h"] = 1

	split("Makefile.am tests/unit/unit.am", lists, " ")
	for (l in lists) {
		while ((getline line <lists[l]) > 0) {
			n = split(line, w, /[ \t\\]+/)
			for (i = 1; i <= n; i++)
				listed[w[i]] = 1
		}
		close(lists[l])
	}
	# 120 is the rule and clang-format keeps code to it; prose may run over a little.
	max_columns = 140
}

function offence(line, message) {
	printf "%s:%d: %s\n", file, line, message
	nr_offences++
}

# The room a path is in: the longest prefix that has rules.
function room_of(path) {
	while (sub("/[^/]*$", "", path))
		if (path in below)
			return path
	return ""
}

function check_include(line, name, quoted,   to) {
	if (!quoted) {
		if (room != "" && room != "platform" && name ~ host && !(name in host_ok) && !(file in host_file))
			offence(line, "<" name "> is a header of the host: go through platform/host")
		return
	}
	if (name !~ "/") {
		offence(line, "\"" name "\": includes are written from the top directory")
		return
	}
	if ((file, name) in may_file)
		return
	to = room_of(name)
	# The lowest rooms ask for nothing of each other but these.
	if (room == "sentry/abi" && to == "sentry/base" && name != "sentry/base/types.h")
		offence(line, "abi includes nothing but base/types.h")
	else if (room != "" && to == "")
		offence(line, "\"" name "\" is in no room that may be included")
	else if (room != "" && !may[room, to] && !(to ~ "^vfs/" && may[room, "vfs"]))
		offence(line, room " may not include " to " (\"" name "\")")
}

function columns(s,   i, n, col) {
	if (s !~ /\t/)
		return length(s)
	n = split(s, part, /\t/)
	col = 0
	for (i = 1; i <= n; i++) {
		col += length(part[i])
		if (i < n)
			col += 8 - col % 8
	}
	return col
}

function check_line(line, s) {
	if (line <= 3 && s ~ /SPDX-License-Identifier: Apache-2[.]0/)
		spdx = 1
	if (s ~ /[ \t]$/)
		offence(line, "trailing white space")
	if (is_c && match(s, /^[ \t]*#[ \t]*include[ \t]*[<"][^>"]*/)) {
		s = substr(s, 1, RLENGTH)
		match(s, /[<"]/)
		check_include(line, substr(s, RSTART + 1), substr(s, RSTART, 1) == "\"")
	} else if (is_c && columns(s) > max_columns) {
		offence(line, "longer than " max_columns " columns")
	}
}

{
	file = $0
	sub(/^\.\//, "", file)
	is_c = file ~ /\.[chS]$/
	room = file ~ /^tests\// ? "" : room_of(file)
	spdx = 0
	nr = 0
	while ((getline text <file) > 0)
		check_line(++nr, text)
	close(file)
	if (!spdx)
		offence(1, "no SPDX-License-Identifier line")
	# The lists of sources are no code.
	if (nr > 800 && file != "Makefile.am")
		offence(nr, "longer than 800 lines")
	# Other tests are distributed by folder, and found there by their runner.
	if (is_c && (file !~ /^tests\// || file ~ /^tests\/unit\//) && !(file in listed) &&
	    !(file ~ /_test[.]c$/ && substr(file, 1, length(file) - 2) in listed))
		offence(1, "not listed in Makefile.am")
	nr_files++
}

END {
	printf "lint: %d files, %d offences\n", nr_files, nr_offences
	exit nr_offences > 0
}' "$list"

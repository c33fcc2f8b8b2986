# SPDX-License-Identifier: Apache-2.0
#
# Makes of syscalls.tbl what -v mode= asks for:
#
#     c      the dispatch and decoder table, a C source
#     man    sentry-syscalls(7), the support table
#     fuzz   rows for tests/fuzz/syscall_fuzz_args.c
#     lint   (syscalls.tbl first, then the sources of sentry/sys) rows and definitions that contradict each other
#
# POSIX awk only.

BEGIN { last_nr = -1 }

function fail(message) {
	printf "%s:%d: %s\n", FILENAME, FNR, message >"/dev/stderr"
	failed = 1
	exit 1
}

function row(   i, n) {
	nr = $1 + 0
	if (nr in name || $1 != nr "")
		fail("syscall number " $1 " is not a new number")
	if (nr <= last_nr)
		fail("rows are sorted by number")
	last_nr = nr
	name[nr] = $2
	number[$2] = nr
	nr_args[nr] = 0
	n = 0
	for (i = 3; i <= NF && $i !~ /^(full|partial|none)$/; i++) {
		if ($i ~ /^=/)
			ret[nr] = substr($i, 2)
		else if ($i ~ /^[a-z_0-9]+:(<>|>)?[a-z_0-9]+([(][a-z_0-9]+[)])?$/)
			arg[nr, n++] = $i
		else
			fail("not an argument: " $i)
	}
	if (i > NF)
		fail("no support column")
	if (n > 6)
		fail("more than six arguments")
	nr_args[nr] = n
	support[nr] = $i
	note[nr] = ""
	for (i++; i <= NF; i++)
		note[nr] = note[nr] (note[nr] == "" ? "" : " ") $i
	if (note[nr] ~ /["\\]/)
		fail("a note has neither quotes nor backslashes")
}

/^[ \t]*(#|$)/ && FNR == NR { next }
FNR == NR { row(); next }

# Definitions, for lint.
match($0, /^SYSCALL_DEFINE[0-6][(][a-z_0-9]+/) {
	s = substr($0, RSTART, RLENGTH)
	n_args = substr(s, 15, 1)
	sub(/.*[(]/, "", s)
	defined[s] = FILENAME ":" FNR
	if (!(s in number))
		offence(FILENAME ":" FNR, s " has no row in syscalls.tbl")
	else if (nr_args[number[s]] - (s == "rt_sigreturn") != n_args) # what it shows is the frame on the stack
		offence(FILENAME ":" FNR, s " takes " n_args " arguments, its row has " nr_args[number[s]])
}

function offence(where, message) {
	print where ": " message
	nr_offences++
}

function quoted(s) {
	return s == "" ? "NULL" : "\"" s "\""
}

function make_c(   i, j) {
	print "/* Generated from sentry/sys/syscalls.tbl. */"
	print "#include \"sentry/sys/syscall.h\"\n"
	print "/* An entry that nobody wrote is NULL. */"
	print "#define ENTRY(name) SYSCALL_ENTRY(name) __attribute__((weak, visibility(\"hidden\")))\n"
	for (i = 0; i <= last_nr; i++)
		if (i in name)
			print "ENTRY(" name[i] ");"
	print ""
	for (i = 0; i <= last_nr; i++) {
		if (!(i in name) || !nr_args[i])
			continue
		printf "static const char *const args_%s[] = {", name[i]
		for (j = 0; j < nr_args[i]; j++)
			printf " \"%s\",", arg[i, j]
		print " };"
	}
	print "\nconst struct syscall_desc syscall_table[NR_SYSCALLS] = {"
	for (i = 0; i <= last_nr; i++)
		if (i in name)
			printf "\t[%d] = { \"%s\", sys_%s, %d, %s, %s, %s, SYSCALL_%s },\n", i, name[i], name[i],
				nr_args[i], nr_args[i] ? "args_" name[i] : "NULL", quoted(ret[i]), quoted(note[i]),
				toupper(support[i])
	print "};"
}

# Names in bold, with commas between them and notes in parentheses.
function man_list(what, with_notes,   i, sep) {
	print ".nh\n.ad l"
	for (i = 0; i <= last_nr; i++) {
		if (support[i] != what)
			continue
		printf "%s\\fB%s\\fR", sep, name[i]
		if (with_notes && note[i] != "")
			printf " (%s)", note[i]
		sep = ",\n"
	}
	print "\n.ad b\n.hy"
}

function make_man(   i) {
	print ".\\\" SPDX-License-Identifier: Apache-2.0"
	print ".\\\" Generated from sentry/sys/syscalls.tbl."
	print ".TH SENTRY\\-SYSCALLS 7 \"\" sentry \"Miscellaneous Information\""
	print ".SH NAME\nsentry\\-syscalls \\- the system calls of sentry"
	print ".SH DESCRIPTION"
	print "A program in a guest of\n.BR sentry (1)\nfinds these system calls.  One that is not there fails with\n.BR ENOSYS ,"
	print "as on a kernel that was built without it; with\n.B \\-v\n.B sentry\nsays so once."
	print ".SH COMPLETE"
	print "All that Linux documents for them, as far as it has a meaning in the guest."
	print ".PP"
	man_list("full", 0)
	print ".SH IN PART"
	for (i = 0; i <= last_nr; i++)
		if (support[i] == "partial")
			printf ".TP\n.B %s\n%s.\n", name[i], note[i]
	print ".SH NOT THERE"
	man_list("none", 1)
	print ".SH SEE ALSO\n.BR sentry (1),\n.BR syscalls (2)"
}

# The bare types: which way the bytes go, and what they depend on, is nothing to it.
function make_fuzz(   i, j, type) {
	for (i = 0; i <= last_nr; i++) {
		if (!(i in name))
			continue
		printf "{ %d, %s, \"%s\", {", i, support[i] == "none" ? "false" : "true", name[i]
		for (j = 0; j < nr_args[i]; j++) {
			type = arg[i, j]
			# ("timeout" in milliseconds is an int like others.)
			type = type == "timeout:int" ? "timeout" : substr(type, index(type, ":") + 1)
			gsub(/[<>]|[(].*/, "", type)
			printf " \"%s\",", type
		}
		print " } },"
	}
}

function make_lint(   i, n) {
	for (i = 0; i <= last_nr; i++) {
		if (!(i in name))
			continue
		if (support[i] != "none" && !(name[i] in defined))
			offence("sentry/sys/syscalls.tbl", name[i] " claims support (" support[i] ") without a definition")
		if (support[i] == "none" && (name[i] in defined))
			offence(defined[name[i]], name[i] " is defined, its row says none")
		n += support[i] != "none"
	}
	printf "syscalls: %d of %d supported, %d offences\n", n, length_of(), nr_offences
	exit nr_offences > 0
}

function length_of(   i, n) {
	for (i in name)
		n++
	return n
}

END {
	if (failed)
		exit 1
	if (mode == "c")
		make_c()
	else if (mode == "man")
		make_man()
	else if (mode == "fuzz")
		make_fuzz()
	else if (mode == "lint")
		make_lint()
	else
		exit 2
}

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 3000
# Modules of CPython's own regression tests, natively and under `sentry do`: each single test must end the same way.
#
#   tests/e2e/cpython.sh [MODULE...]      the default is the quick ones, or with E2E_FULL=1 all that are meant to be equal
. "$(dirname "$0")/lib.sh"
python=/usr/bin/python3
"$python" -c 'import test.test_os' 2>/dev/null || skip "CPython's test suite is not installed (libpython3.11-testsuite)"

quick="test_posix test_signal test_mmap test_fcntl test_fileio test_tempfile test_time test_hashlib test_ctypes test_sqlite3
	test_zipfile"
full="$quick test_os test_subprocess test_threading test_io test_shutil test_pathlib test_multiprocessing_fork
	test_socket test_ssl test_asyncio test_httplib test_ftplib test_urllib2_localnet test_select test_selectors test_poll test_epoll
	test_socketserver"
[ $# -gt 0 ] || set -- $quick
[ -z "${E2E_FULL:-}" ] || set -- $full

cat >"$tmp/results.py" <<'PY'
"""Prints one line for each test of a JUnit file: its name and how it ended."""
import sys
import xml.etree.ElementTree as ET

lines = []
for case in ET.parse(sys.argv[1]).iter("testcase"):
    how = "ok"
    for kind in ("error", "failure", "skipped"):
        if case.find(kind) is not None or kind in case.attrib.get("result", ""):
            how = kind
    # What a test measures before it decides to run is about the machine of this moment.
    if how == "skipped" and "too busy" in ET.tostring(case, encoding="unicode"):
        how = "skipped, too busy"
    lines.append(f"{case.attrib['name']}: {how}")
print("\n".join(sorted(lines)))
PY

# One module in a directory of its own; the results go to standard output.  test_monotonic_settime sets the host's clock, and tests of
# VSOCK hang on some hosts.
cat >"$tmp/module.sh" <<'SH'
cd "$(mktemp -d)" || exit 1
timeout 3000 /usr/bin/python3 -m test --junit-xml=results.xml -u all,-network,-largefile,-urlfetch,-gui -i test_monotonic_settime -i '*VSOCK*' "$1" >log 2>&1 </dev/null
status=$?
if [ -s results.xml ]; then
	/usr/bin/python3 "$2" results.xml
else
	echo "no results, exit status $status"
	tail -n 20 log
fi
rm -rf "$PWD"
SH

# results WHERE MODULE [PREFIX...]: again while a test finds the machine too busy for it.
results()
{
	local out=$tmp/$2.$1 module=$2 try
	shift 2
	for try in 1 2 3; do
		HOME="$tmp" "$@" bash "$tmp/module.sh" "$module" "$tmp/results.py" >"$out" 2>"$tmp/err" </dev/null
		grep -q 'too busy$' "$out" || break
	done
}

for module; do
	if ! "$python" -c "import importlib.util as u, sys; sys.exit(not u.find_spec('test.$module'))"; then
		echo "$module: not in this machine's test suite"
		continue
	fi
	checks=$((checks + 1))
	results native "$module" env
	results guest "$module" guest --
	if cmp -s "$tmp/$module.native" "$tmp/$module.guest"; then
		echo "$module: $(wc -l <"$tmp/$module.native") results equal"
		continue
	fi
	problem "$module"
	diff -U 0 --label native --label guest "$tmp/$module.native" "$tmp/$module.guest" | grep '^[-+]' | head -n 60 | sed 's/^/    /'
	head -n 5 "$tmp/err" | sed 's/^/    stderr: /'
done
finish

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What programs do to files: run in a directory of the file system that is measured, with tree.tar in it; prints lines
# "NAME NANOSECONDS" as files.c does.
row() {
	name=$1
	shift
	from=$(date +%s%N)
	"$@" >/dev/null || { echo "programs: $name failed" >&2; exit 1; }
	echo "$name $(($(date +%s%N) - from))"
}

transactions() { sqlite3 db <sql; }
commit() { (cd repository && git add . && git -c user.name=b -c user.email=b@example.org commit -q -m all); }

{
	echo "PRAGMA synchronous = FULL; CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT);"
	i=0
	while [ $i -lt 200 ]; do
		i=$((i + 1))
		echo "INSERT INTO t VALUES ($i, hex(randomblob(100)));"
	done
} >sql
mkdir repository
i=0
while [ $i -lt 500 ]; do
	i=$((i + 1))
	echo "this is the contents of file $i" >repository/file-$i
done
git init -q repository || exit 1
row sqlite-200 transactions
row git-commit-500 commit
row tar-x-10000 tar xf tree.tar

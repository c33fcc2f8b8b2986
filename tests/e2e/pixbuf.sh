#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gdk-pixbuf-query-loaders loads every image loader with dlopen and prints what it finds: the same as natively.
. "$(dirname "$0")/lib.sh"
query=/usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders
[ -x "$query" ] || skip "gdk-pixbuf-query-loaders is not installed (libgdk-pixbuf2.0-bin)"
same "query loaders" "$query"
same "again" "$query"
finish

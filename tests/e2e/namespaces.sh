#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# Namespaces through the programs people use: unshare, nsenter, bubblewrap.
. "$(dirname "$0")/lib.sh"

need unshare nsenter
is "unshare -Urmpf --mount-proc" "1 1 0" "$(guest -- unshare -Urmpf --mount-proc sh -c 'echo $$; set -- /proc/[0-9]*; echo $#; id -u' | tr '\n' ' ' | sed 's/ $//')"
is "unshare -u" "inner outer" "$(guest --hostname outer -u 0 -- sh -c 'unshare -u sh -c "hostname inner; hostname"; hostname' | tr '\n' ' ' | sed 's/ $//')"
is "nsenter" "inner 2" "$(guest -u 0 -- sh -c 'unshare -upf --mount-proc sh -c "hostname inner; sleep 100" & sleep 1; p=$(pgrep -n -x sleep); nsenter -t $p -u -p sh -c "hostname; ls -d /proc/self/ns/u* | wc -l"; kill -9 $p' | tr '\n' ' ' | sed 's/ $//')"
if command -v bwrap >/dev/null; then
	is "bubblewrap" "0 inside 2" "$(guest -u 1000:1000 -- bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-user --unshare-pid --unshare-uts --hostname inside --uid 0 sh -c 'id -u; hostname; touch /x 2>/dev/null || touch /tmp/x && echo $$' | tr '\n' ' ' | sed 's/ $//')"
fi
finish

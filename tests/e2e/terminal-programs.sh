#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 100
# Programs that make pseudo-terminals of the guest's own: script, tmux and screen.
. "$(dirname "$0")/lib.sh"
if command -v script >/dev/null; then
	is "script" "/dev/pts/0" "$(guest -- script -qec tty /dev/null </dev/null | tr -d '\r')"
fi
# The user's own may be nologin.
export SHELL=/bin/sh

if command -v tmux >/dev/null; then
	is "tmux" "24 80 typed" "$(guest -- sh -c 'export TERM=xterm; t="tmux -S /tmp/tmux -f /dev/null"
		$t new-session -d -x 80 -y 24 "stty size; read x; echo \$x; exec sleep 1000" || exit 1
		until $t capture-pane -p | grep -q 80; do sleep 0.1; done; $t send-keys typed Enter
		until [ $($t capture-pane -p | grep -c typed) = 2 ]; do sleep 0.1; done
		$t capture-pane -p | head -n 3 | sort -u | tr "\n" " " | sed "s/ $//"; $t kill-server')"
fi
if command -v screen >/dev/null; then
	is "screen" "in screen" "$(guest -- sh -c 'export TERM=xterm SCREENDIR=/tmp/screens; mkdir -m 700 /tmp/screens
		screen -dmS s sh -c "echo in screen; exec sleep 1000" || exit 1
		until screen -S s -X hardcopy /tmp/copy >/dev/null 2>&1 && grep -s "in screen" /tmp/copy; do sleep 0.1; done; screen -S s -X quit')"
fi
finish

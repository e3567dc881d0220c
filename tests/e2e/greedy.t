#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A local user who takes all that a stage's sockets have to give: the others' mail goes on.
. "$(dirname "$0")/lib.sh"
need_root
command -v python3 >/dev/null 2>&1 || plan_skip "needs python3"

chain_make
chain_start
chmod 0666 "$chain/queue.ctrl" "$chain/admin.ctrl"
chain_cleanup() { [ -z "${greedy:-}" ] || kill "$greedy" 2>/dev/null; }
hold() {		# hold WAY SOCKET
	: > "$scratch/ready"
	python3 "$top/tests/e2e/greedy.py" "$1" "$2" > "$scratch/ready" 2>&1 &
	greedy=$!
	wait_for 50 grep -q ready "$scratch/ready"
}
let_go() { kill "$greedy"; wait "$greedy" 2>/dev/null; greedy=''; }

for way in halves unread waiting; do
	hold $way "$chain/queue.ctrl"; ok $? "somebody holds what he can: $way"
	printf 'Subject: %s\n\nx\n' $way | timeout 5 "$scratch/sendmail" --out "$chain/queue.ctrl" root; ok $? "$way: another user's message is taken"
	let_go
done
wait_for 10 arrived_are 3; ok $? "and delivered"
done_testing

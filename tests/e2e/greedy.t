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

stage_stop local
for way in admins shows; do
	hold $way "$chain/admin.ctrl"; ok $? "somebody holds what he can: $way"
	timeout 5 "$bin/deaddrop-mailq" --admin "$chain/admin.ctrl" > "$scratch/mailq" 2>&1; ok $? "$way: the operator sees the queue"
	let_go
done
like "$(cat "$scratch/mailq")" " 10000[0-9]{3} " "with the message that was asked for"
stage_start local
wait_for 10 arrived_are 4; ok $? "which is delivered"
done_testing

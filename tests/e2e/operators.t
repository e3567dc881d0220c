#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What operators and users do to mail that waits, and what monitoring sees of it.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || plan_skip "needs python3"
chain_make
kept=$scratch/kept; rules=$scratch/rules
mkdir "$kept"; : > "$kept/jobs"
echo '* Z 4.2.0 not now' > "$rules"
send_options="--out $chain/test.ctrl --config $scratch/send.conf"
drop_start() { python3 "$top/tests/e2e/drop.py" "$chain/test.ctrl" "$rules" "$kept" 2>> "$scratch/log/drop" & echo $! > "$scratch/drop.pid"; wait_for 5 test -S "$chain/test.ctrl"; }
drop_stop() { kill "$(cat "$scratch/drop.pid")" 2>/dev/null; wait "$(cat "$scratch/drop.pid")" 2>/dev/null; }
chain_cleanup() { drop_stop; }
printf '%s\n' 'retry 1h until 5d' 'route rcpt report to local:inbox' 'route all to test:old' > "$scratch/send.conf"
drop_start
chain_start
first_id() { mailq --json | python3 -c 'import json,sys; m=json.load(sys.stdin); print(m[0]["id"])'; }
waits() { [ "$(mailq --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = "$1" ]; }
state() { mailq --json | python3 -c 'import json,sys
for m in json.load(sys.stdin):
    for r in m["recipients"]: print(r["state"], r["drop"])'; }
state_is() { [ "$(state)" = "$1" ]; }
printf 'Subject: one\n\nthe body\n' | sendmail -f report@localhost anna
wait_for 10 state_is 'later test:old'; ok $? "a message waits"
id=$(first_id)
like "$(mailq show "$id")" 'the body' "show"
mailq hold "$id" > "$scratch/out"; is $? 0 "hold"
is "$(state)" 'held test:old' "it is held"
mailq hold "$id" 2> "$scratch/err"; is $? 69 "a second time: 69"
like "$(cat "$scratch/err")" 'held already' "and why"
: > "$kept/jobs"
mailq retry "$id" 2> /dev/null; sleep 1
is "$(wc -l < "$kept/jobs")" 0 "what is held is not tried"
mailq release "$id" > /dev/null; is $? 0 "release"
wait_for 5 grep -q '^Z old' "$kept/jobs"; ok $? "it is tried at once"
wait_for 5 state_is 'later test:old'
: > "$kept/jobs"
mailq retry "$id" > /dev/null; is $? 0 "retry"
wait_for 5 grep -q '^Z old' "$kept/jobs"; ok $? "it is tried now"
wait_for 5 state_is 'later test:old'
stage_stop send KILL; stage_start send; wait_for 5 state_is 'later test:old'
mailq hold "$id" > /dev/null; stage_stop send KILL; stage_start send
wait_for 5 state_is 'held test:old'; ok $? "a hold is durable"
mailq release "$id" > /dev/null; sleep 1; wait_for 5 state_is 'later test:old'
printf '%s\n' 'old Z 4.2.0 not now' '* K 2.0.0 kept' > "$rules"; : > "$kept/jobs"
mailq reroute other:drop "$id" 2> "$scratch/err"; is $? 69 "reroute to a drop without a deliverer is refused"
mailq reroute test:new "$id" > /dev/null; is $? 0 "reroute"
wait_for 5 grep -q '^K new' "$kept/jobs"; ok $? "it goes to the new drop"
wait_for 5 waits 0; ok $? "and waits no more"

# Many
for n in 1 2 3; do printf 'Subject: %s\n\n' $n | sendmail -f "s$n@localhost" bert; done
printf 'Subject: 4\n\n' | sendmail -f report@localhost carl
wait_for 10 waits 4
mailq remove --recipient "bert@$(cat /etc/mailname 2>/dev/null || hostname)" < /dev/null 2> "$scratch/err"; is $? 77 "several: it asks first, and does nothing without an answer"
like "$(cat "$scratch/err")" 'remove 3 messages' "naming how many"
waits 4; ok $? "nothing was removed"
ask() {		# ask ANSWER: a person at a terminal
	python3 -c 'import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[2], sys.argv[2:])
said = b""
while b"[y/N]" not in said: said += os.read(fd, 1000)
os.write(fd, sys.argv[1].encode() + b"\n")
try:
    while os.read(fd, 1000): pass
except OSError: pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))' "$1" "$bin/deaddrop-mailq" --admin "$chain/admin.ctrl" hold --all
}
ask n; is $? 77 "at a terminal it asks: no"
is "$(state | sort -u)" 'later test:old' "nothing is held"
ask y; is $? 0 "yes"
is "$(state | sort -u)" 'held test:old' "all are held"
mailq release --all --yes > /dev/null; wait_for 10 state_is "$(printf 'later test:old\n%.0s' 1 2 3 4)"
mailq remove --sender s1@localhost > /dev/null; is $? 0 "remove by sender"
waits 3; ok $? "one is gone"
mailq hold --drop test:old --yes > /dev/null; is $? 0 "hold by drop"
is "$(state | sort -u)" 'held test:old' "all of them are held"
mailq remove --recipient "bert@$(cat /etc/mailname 2>/dev/null || hostname)" --yes > /dev/null; waits 1; ok $? "remove by recipient"
mailq bounce --all > /dev/null; is $? 0 "bounce"
wait_for 10 arrived_are 1; ok $? "the sender is told"
like "$(cat "$inbox"/new/*)" 'given up by uid 0' "by whom"
wait_for 5 waits 0; ok $? "nothing waits"
mailq remove nonsense 2> /dev/null; is $? 64 "a wrong id: 64"

# From the journal: the deliverer is away, so nothing has been tried
drop_stop; rm -f "$chain/test.ctrl"
for n in 1 2 3; do printf 'Subject: %s\n\n' $n | sendmail -f "s$n@localhost" dora; done
wait_for 5 waits 3; ok $? "messages wait in the journal"
is "$(state | sort -u)" 'new test:old' "each with its drop, though nothing was tried"
like "$(mailq)" '> new, test:old: 4.4.1 test is away: No such file' "and why it waits"
mailq remove --sender s1@localhost > /dev/null; is $? 0 "remove there"
mailq hold --sender s2@localhost > /dev/null; is $? 0 "hold there"
mailq reroute local:inbox --sender s3@localhost > /dev/null; is $? 0 "reroute there"
wait_for 10 arrived_are 2; ok $? "the rerouted one arrives"
wait_for 5 waits 1; ok $? "the held one waits"
stage_stop send KILL; stage_start send; sleep 1
is "$(state)" 'held test:old' "after a crash too"
is "$(arrived)" 2 "and nothing came again"

# What a drop is down for; routes by header fields, two drops, and what is under way
printf '%s\n' 'retry 1h until 5d' 'route header subject /^two$/ to test:one test:two' 'limit test:slow rate 1/h' 'route rcpt slow to test:slow' 'route all to test:old' > "$scratch/send.conf"
printf '%s\n' 'old Z 4.7.8 no login\ndrop=down' '* silent' > "$rules"; : > "$kept/jobs"; drop_start; stage_stop send; stage_start send
for n in 1 2; do printf 'Subject: %s\n\n' $n | sendmail -f down@localhost edda; done
wait_for 5 grep -q '^Z old' "$kept/jobs"
down_says() { mailq | grep -c '<edda@.*> new, test:old: 4.7.8 test:old is down: no login'; }
sleep 1; is "$(down_says)" 2 "what waits for a drop that is down says why"
printf 'Subject: two\n\n' | sendmail -f down@localhost edda
for n in 1 2; do printf 'Subject: %s\n\n' $n | sendmail -f down@localhost slow; done
wait_for 5 grep -q '^silent slow' "$kept/jobs"; wait_for 5 grep -q '^silent two' "$kept/jobs"
is "$(mailq | grep -cE '<edda@.*> new, test:(one|two)$')" 2 "what is being delivered has its drops"
is "$(mailq | grep -c '<slow@.*> new, test:slow: 4.3.2 the limit of test:slow')" 2 "a limit is named"
is "$(mailq --json | python3 -c 'import json,sys; print(sum(r["drop"] is None for m in json.load(sys.stdin) for r in m["recipients"]))')" 0 "nothing is without a drop"
drop_stop; rm -f "$chain/test.ctrl"
mailq remove --drop test:old --sender down@localhost --yes > /dev/null; is $? 0 "remove by the drop that was never tried"
wait_for 5 sh -c '! "$0" --admin "$1" | grep -q "<edda@.*test:old"' "$bin/deaddrop-mailq" "$chain/admin.ctrl"; ok $? "they are gone"
mailq remove --sender down@localhost --yes > /dev/null; wait_for 5 waits 1; ok $? "and the others"
printf '%s\n' 'retry 1h until 5d' 'route rcpt report to local:inbox' 'route all to test:old' > "$scratch/send.conf"; stage_stop send; stage_start send; wait_for 5 waits 1

# Monitoring
mailq --max-age 1h --max-count 5 > /dev/null; is $? 0 "within --max-age and --max-count: 0"
mailq --max-count 0 > /dev/null; is $? 1 "over --max-count: 1"
sleep 1; mailq --max-age 1s > /dev/null; is $? 1 "over --max-age: 1"
status_says() { grep -q "$1" "$chain/status/send" && grep -q "$1" "$chain/status/send"; }
wait_for 15 status_says '^waiting 1$'; ok $? "the status file counts what waits"
like "$(cat "$chain/status/send")" 'oldest [0-9]' "and how old it is"
like "$(cat "$chain/status/send.prom")" 'deaddrop_send_waiting 1' "in Prometheus' form too"
is "$(grep -cvE '^(# (HELP|TYPE) deaddrop_send_[a-z_]+ .+|deaddrop_send_[a-z_]+ [0-9.]+)$' "$chain/status/send.prom")" 0 "which is well formed"

# Dead messages
printf '%s\n' 'old X 5.7.1 refused' '* K 2.0.0 kept' > "$rules"; drop_start; : > "$kept/jobs"
for n in 1 2; do printf 'Subject: dead %s\n\n' $n | sendmail -f '<>' fritz; done
dead_are() { [ "$(ls "$chain/dead" | wc -l)" = "$1" ]; }
wait_for 10 dead_are 2; ok $? "two messages are dead"
dead_id() { ls "$chain/dead" | head -n 1; }
dead=$(dead_id)
like "$(mailq show "$dead")" 'Subject: dead' "show"
mailq hold "$dead" 2> "$scratch/err"; is $? 69 "a dead one cannot be held"
like "$(cat "$scratch/err")" 'released or removed' "and why"
mailq remove "$dead" > /dev/null; is $? 0 "remove"
dead_are 1; ok $? "it is gone"
dead=$(dead_id); : > "$kept/jobs"
mailq release "$dead" > /dev/null; is $? 0 "release"
wait_for 10 grep -q '^X old' "$kept/jobs"; ok $? "it is tried anew"
wait_for 10 dead_are 1; ok $? "and dead again"
printf '%s\n' 'old K 2.0.0 kept' > "$rules"
wait_for 5 mailq release "$dead"; ok $? "released once more"
wait_for 10 grep -q '^K old' "$kept/jobs"; ok $? "it is delivered"
dead_are 0; ok $? "and no more in dead"
wait_for 15 status_says '^accepted_total [1-9]'; ok $? "the status file counts what was accepted"
drop_stop; rm -f "$chain/test.ctrl"

# Users
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null; then
	chmod 0777 "$chain/admin.ctrl" "$chain/queue.ctrl"
	as() { setpriv --reuid="$1" --regid="$1" --clear-groups "$bin/deaddrop-mailq" --admin "$chain/admin.ctrl" "$@"; }
	as_user() { user=$1; shift; setpriv --reuid="$user" --regid="$user" --clear-groups "$@"; }
	chmod 0755 "$chain"
	id=$(first_id)
	if as_user 12345 test -x "$bin/deaddrop-mailq"; then
		as_user 12345 "$bin/deaddrop-mailq" --admin "$chain/admin.ctrl" remove "$id" 2> "$scratch/err"; is $? 69 "another's message: refused"
		like "$(cat "$scratch/err")" 'not yours' "and why"
		like "$(as_user 12345 "$bin/deaddrop-mailq" --admin "$chain/admin.ctrl")" 'empty' "nor is it seen"
		printf 'Subject: mine\n\n' | as_user 12345 "$scratch/sendmail" --out "$chain/queue.ctrl" -f me@localhost emil; wait_for 5 waits 2
		as_user 12345 "$bin/deaddrop-mailq" --admin "$chain/admin.ctrl" remove --all > /dev/null; is $? 0 "one's own is removed"
		wait_for 5 waits 1; ok $? "and no other"
		# one whose envelope is larger than a read is one's own as well
		stage_stop send; send_options="$send_options --journal-wait 1s"; old=$(stat -c %i "$chain/admin.ctrl")
		stage_start send; wait_for 5 sh -c "[ \$(stat -c %i '$chain/admin.ctrl') != $old ]"; chmod 0777 "$chain/admin.ctrl"
		long=$(printf '%0900d' 0)
		printf 'Subject: large\n\n' | as_user 12345 "$scratch/sendmail" --out "$chain/queue.ctrl" -f me@localhost $(for i in $(seq 90); do echo "$i$long"; done); wait_for 5 waits 2
		wait_for 15 sh -c "grep -lq 'Subject: large' '$chain'/deferred/*"; ok $? "a large one is deferred"
		mine=$(basename "$(grep -l 'Subject: large' "$chain"/deferred/* | head -1)")
		like "$(as_user 12345 "$bin/deaddrop-mailq" --admin "$chain/admin.ctrl" show "$mine" 2>&1)" 'Subject: large' "and shown to its owner"
	fi
fi
chain_stop
is "$(grep -cE '(error|broken)' "$chain/log/send")" 0 "send logged no error"
diag "$(grep -E '(error|broken)' "$chain/log/send" | head -5)"
done_testing

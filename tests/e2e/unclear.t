#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Attempts that may have succeeded: what is said of them is durable, and settled at their old drop before routing may change it.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || plan_skip "needs python3"
chain_make
kept=$scratch/kept; rules=$scratch/rules; conf=$scratch/send.conf
mkdir "$kept"; : > "$kept/jobs"
send_options="--out $chain/test.ctrl --config $conf"
drop_start() { python3 "$top/tests/e2e/drop.py" "$chain/test.ctrl" "$rules" "$kept" 2>> "$scratch/log/drop" & echo $! > "$scratch/drop.pid"; wait_for 5 test -S "$chain/test.ctrl"; }
drop_stop() { kill "$(cat "$scratch/drop.pid")" 2>/dev/null; wait "$(cat "$scratch/drop.pid")" 2>/dev/null; }
chain_cleanup() { drop_stop; }
restart() { stage_stop send "${1:-TERM}"; stage_start send; }
rule() { printf '%s\n' "$@" > "$rules.new"; mv "$rules.new" "$rules"; }
configure() { printf '%s\n' "$@" > "$conf"; }
got() { wait_for "${2:-10}" grep -qE "$1" "$kept/jobs"; }
begin() { : > "$kept/jobs"; }
configure 'retry 2s until 1d' 'route all to test:old'
rule 'old Z 4.4.2 the end was sent\nunclear=1'
drop_start
chain_start

# A deliverer that lost its peer behind the message's end
printf 'Subject: lost\n\n' | sendmail joe
got '^Z old .*unclear=0'; ok $? "the first attempt is clear"
wait_for 5 grep -q 'deferred.*unclear=1 "the end was sent"' "$chain/log/send"; ok $? "its answer is logged as unclear"
got '^Z old .*unclear=1'; ok $? "the next attempt says so"
mailq reroute test:new --all 2> "$scratch/err"; like "$(cat "$scratch/err")" 'settle' "an operator is told that its drop must settle it first"
in_deferred() { [ -n "$(ls "$chain/deferred")" ]; }
in_deferred; ok $? "it waits in deferred"
like "$(grep -a '^%o' "$chain"/deferred/* | tail -n 1)" ' unclear$' "with a line that says so"
configure 'retry 2s until 1d' 'route all to test:new'
rule 'old Z 4.4.1 connect: Connection refused' '* K 2.0.0 kept'
begin; restart KILL
got '^Z old .*unclear=1' 15; ok $? "so does the first one of another process, at the old drop, though the route has changed"
begin; restart
got '^Z old .*unclear=1' 15; ok $? "an answer without a word on it leaves it unclear, through a clean restart too"
is "$(grep -c new "$kept/jobs")" 0 "the new drop has seen nothing"
rule 'old Z 4.2.2 not there, and no room\nunclear=0' '* K 2.0.0 kept'
got '^K new .*unclear=0' 15; ok $? "when the old drop has looked the route applies"
wait_for 5 spool_is_empty; ok $? "and nothing waits"
is "$(grep -c '^K' "$kept/jobs")" 1 "one delivery"

# Settled by the old drop itself
configure 'retry 1s until 1d' 'route all to test:old'; rule 'old Z 4.4.2 the end was sent\nunclear=1'; begin; restart
printf 'Subject: lost\n\n' | sendmail joe
got '^Z old'
configure 'retry 1s until 1d' 'route all to test:new'; rule '* K 2.0.0 kept'; restart KILL
got '^K old .*unclear=1' 15; ok $? "what the old drop finds is done there"
wait_for 5 spool_is_empty; ok $? "and nowhere else"
is "$(grep -c '^K' "$kept/jobs")" 1 "once"

# A fallback waits for that, too
configure 'retry 1s until 4s' 'route all to test:old else test:second after 1s'; rule 'old Z 4.4.2 the end was sent\nunclear=1' '* K 2.0.0 kept'; begin; restart
printf 'Subject: chain\n\n' | sendmail joe
wait_for 10 sh -c "[ \$(grep -c '^Z old' $kept/jobs) -ge 3 ]"; ok $? "else ... after: not while an attempt may have succeeded"
is "$(grep -c second "$kept/jobs")" 0 "the second drop has seen nothing"
got '^K second' 15; ok $? "but when the drop has failed for good"
wait_for 5 spool_is_empty; ok $? "and nothing waits"

# Some recipients of a job: the others are clear
configure 'retry 1s until 1d' 'route rcpt a to test:old' 'route rcpt b to test:other'; rule 'old Z 4.4.2 the end was sent\nunclear=1' '* Z 4.2.2 full'; begin; restart
printf 'Subject: two\n\n' | sendmail a b
wait_for 10 sh -c "[ \$(grep -c '^Z other' $kept/jobs) -ge 2 ]"
is "$(grep '^Z other' "$kept/jobs" | grep -c unclear=1)" 0 "another drop's attempts are not made unclear by it"
rule '* K 2.0.0 kept'
wait_for 10 spool_is_empty; ok $? "and both are delivered"
# A clean stop, and one that is not
mark() { cut -d' ' -f3 "$chain/outcome/mark"; }
configure 'retry 1s until 1d' 'route all to test:x'; rule '* Z 4.2.0 not now'; begin; restart
printf 'Subject: due\n\n' | sendmail joe
got '^Z x'; in_deferred || sleep 1
stage_stop send; is "$stage_status" 0 "a clean stop"
is "$(mark)" 0 "lowers the mark"
begin; sleep 1.5; stage_start send
got '^Z x'; is "$(head -n 1 "$kept/jobs")" "$(head -n 1 "$kept/jobs" | sed 's/unclear=1/unclear=0/')" "what was due meanwhile is not unclear"
like "$(mark)" '^[1-9][0-9]{15}' "the mark was raised before that"
stage_stop send KILL; begin; sleep 1.5; stage_start send
got '^Z x .*unclear=1'; ok $? "after a kill it is"
sleep 2.2		# until queue has told of the file that it holds: what send has not seen of it may have been handed out
stage_stop send; is "$(mark)" 0 "what has been answered since is noted, and the mark lowered"
begin; stage_start send; rule '* K 2.0.0 kept'
got '^K x .*unclear=1'; ok $? "an answer that says nothing of it leaves it unclear by its line"
wait_for 5 spool_is_empty
rule '* silent'; begin
printf 'Subject: silent\n\n' | sendmail joe
got '^silent x .*unclear=0'
drop_stop; rm -f "$chain/test.ctrl"; wait_for 5 grep -q 'down.*channel=test' "$chain/log/send"; sleep 0.3
stage_stop send; is "$(mark)" 0 "a connection that was lost with a job is noted before a clean stop"
configure 'retry 1s until 1d' 'route all to test:new'; rule '* K 2.0.0 kept'; begin; drop_start; stage_start send
got '^K '; like "$(cat "$kept/jobs")" '^K x .*unclear=1$' "and goes to its old drop first, as unclear"
wait_for 5 spool_is_empty; ok $? "and nothing waits"
# Killed with a job in hand, and another route by then: only the configuration of that time knows its drop
aliases=$scratch/aliases
echo 'anna: test:old' > "$aliases"
configure 'retry 1s until 1d' "aliases $aliases" 'route all to test:old'; rule '* silent'; begin; restart
printf 'Subject: killed\n\n' | sendmail anna joe
got '^silent old .*unclear=0'; ok $? "handed out"
stage_stop send KILL
echo 'anna: test:new' > "$aliases"
configure 'retry 1s until 1d' "aliases $aliases" 'route all to test:other'; begin; stage_start send
got '^silent old .*unclear=1'; ok $? "killed, aliases and routes changed: asked for again at the old drop, as unclear"
is "$(grep -cE '^[A-Za-z]+ (new|other)' "$kept/jobs")" 0 "and at no other"
stage_stop send KILL
configure 'retry 1s until 1d' 'route all to test:third'; begin; rule '* K 2.0.0 kept'; stage_start send
got '^K old .*unclear=1'; ok $? "killed again under a third configuration: still the old drop"
wait_for 5 spool_is_empty; ok $? "nothing waits"
is "$(grep -c '^K' "$kept/jobs")" 1 "delivered once"
printf 'Subject: third\n\n' | sendmail joe
got '^K third '; ok $? "what comes then goes by the new routes"
# Stopped, by a HUP for a new configuration, with a job that nobody answers
rule '* silent'; begin
printf 'Subject: hup\n\n' | sendmail joe
got '^silent third'
configure 'retry 1s until 1d' 'route all to test:fourth'; restart HUP
is "$(mark)" 0 "a stop with an unanswered job notes it, and is clean"
rule '* K 2.0.0 kept'; drop_stop; drop_start
got '^K third .*unclear=1'; ok $? "which is settled at its old drop"
wait_for 5 spool_is_empty; ok $? "and nothing waits"
chain_stop
is "$(grep -cE '(error|broken)' "$chain/log/send")" 0 "send logged no error"
diag "$(grep -E '(error|broken)' "$chain/log/send" | head -5)"
done_testing

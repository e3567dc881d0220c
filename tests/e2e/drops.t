#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Drops that are limited, and drops that are down as a whole.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || plan_skip "needs python3"
chain_make
kept=$scratch/kept; rules=$scratch/rules; conf=$scratch/send.conf
mkdir "$kept"; : > "$kept/jobs"
send_options="--out $chain/test.ctrl --config $conf"
drop_start() { python3 "$top/tests/e2e/drop.py" "$chain/test.ctrl" "$rules" "$kept" 2>> "$scratch/log/drop" & echo $! > "$scratch/drop.pid"; wait_for 5 test -S "$chain/test.ctrl"; }
drop_stop() { kill "$(cat "$scratch/drop.pid")" 2>/dev/null; wait "$(cat "$scratch/drop.pid")" 2>/dev/null; }
chain_cleanup() { drop_stop; }
restart() { stage_stop send "${1:-TERM}"; base=$send_options; send_options="$send_options ${2-}"; stage_start send; send_options=$base; }
rule() { printf '%s\n' "$@" > "$rules.new"; mv "$rules.new" "$rules"; }
configure() { printf '%s\n' "$@" > "$conf"; }
got() { wait_for "${2:-10}" grep -qE "$1" "$kept/jobs"; }
begin() { : > "$kept/jobs"; }
count() { grep -cE "$1" "$kept/jobs"; }
mails() { for n in $(seq "$1"); do printf 'Subject: %s\n\n' "$n" | sendmail "$2"; done; }

wrong() {		# wrong LINE PATTERN
	configure 'default test:a' "$1"
	"$bin/deaddrop-send" --check --config "$conf" --out "$chain/test.ctrl" --spool "$chain" > "$scratch/check" 2>&1
	like "$? $(cat "$scratch/check")" "^78 .*$2" "refused: $1"
}
wrong 'limit test:a rate 60' 'send.conf:2: .*60/min'
wrong 'limit test:a rate 0/min' 'expected'
wrong 'limit test:a concurrency none' 'expected'
wrong 'limit test:a/b rate 1/s' 'without an argument'
wrong 'limit test:a rate' 'expected'
wrong 'limit other:a rate 1/s' 'no --out other.ctrl'

# A rate
configure 'retry 1s until 1d' 'limit test:slow rate 2/s connections 3' 'limit test:one concurrency 1' 'route rcpt slow to test:slow/x' 'route rcpt one to test:one' 'route all to test:free'
rule '* K 2.0.0 kept'
drop_start
chain_start
mails 6 slow
mails 3 free
wait_for 3 sh -c "[ \$(grep -c '^K free' $kept/jobs) = 3 ]"; ok $? "a limited drop holds up no other"
n=$(count '^K slow'); [ "$n" -le 4 ]; ok $? "rate: not all at once ($n of 6)"
wait_for 10 sh -c "[ \$(grep -c '^K slow' $kept/jobs) = 6 ]"; ok $? "and all in time"
is "$(count 'slow.*connections=3')" 6 "each job tells the connection limit"
is "$(count 'free.*connections')" 0 "of that drop alone"
wait_for 5 spool_is_empty; ok $? "nothing waits"

# Concurrency: the second job is handed out when the first was answered
begin; rule 'one silent' '* K 2.0.0 kept'
mails 3 one; got '^silent one'; sleep 1
is "$(count '^silent one')" 1 "concurrency 1: one job at a time"
mails 2 free; wait_for 3 sh -c "[ \$(grep -c '^K free' $kept/jobs) = 2 ]"; ok $? "others go on"
rule '* K 2.0.0 kept'; drop_stop; drop_start
wait_for 10 sh -c "[ \$(grep -c '^K one' $kept/jobs) = 3 ]"; ok $? "the others follow"
wait_for 5 spool_is_empty

# A job that takes longer than its time, with signs of life; and without
send_options="$send_options --job-timeout 2s"; begin; rule 'slow K 2.0.0 slow 5' '* K 2.0.0 kept'; restart
mails 1 slow; got '^K slow'
wait_for 10 spool_is_empty; ok $? "a slow job with signs of life is waited for"
is "$(count '^K slow')" 1 "and handed out once"
begin; rule '* silent'; mails 1 free; got '^silent free'; rule '* K 2.0.0 kept'
got '^K free.*unclear=1'; ok $? "one without is handed out again, as unclear"
wait_for 5 spool_is_empty
send_options=${send_options% --job-timeout 2s}

# Down as a whole
configure 'retry 2s until 1d' 'route rcpt x to test:x' 'route rcpt y to test:y' 'route all to local:inbox'
rule 'x Z 4.4.1 connect: Connection refused\ndrop=down' '* K 2.0.0 kept'; begin; restart
: > "$chain/log/send"
mails 10 x
got '^Z x'
mails 1 y; mails 1 root
got '^K y'; ok $? "another drop of the same deliverer goes on"
wait_for 5 arrived_are 1; ok $? "and another deliverer"
sleep 5
n=$(count '^Z x'); [ "$n" -ge 2 ] && [ "$n" -le 14 ]; ok $? "the drop is tried by one message at a time, after waits ($n attempts)"
is "$(grep -c 'send: alarm drop=test:x' "$chain/log/send")" 1 "one alarm"
like "$(grep 'alarm drop' "$chain/log/send")" 'status=4.4.1.*Connection refused' "with the reason"
is "$(grep -c 'deferred id=' "$chain/log/send")" 0 "no message has burnt an attempt"
status_says() { grep -q "$1" "$chain/status/send" && grep -q "$2" "$chain/status/send.prom"; }
wait_for 15 status_says '^drops_down 1$' 'drop_down_seconds{drop="test:x"} [0-9]'; ok $? "the status file says it"
rule '* K 2.0.0 kept'
wait_for 10 sh -c "[ \$(grep -c '^K x' $kept/jobs) = 10 ]"; ok $? "up again: all that waited goes at once"
is "$(grep -c 'alarm-over drop=test:x' "$chain/log/send")" 1 "and the alarm is cleared once"
wait_for 5 spool_is_empty; ok $? "nothing waits"
is "$(count '^K x')" 10 "each once"

# Down over restarts: it stays down to the next process, which neither tries it before its time nor tells of it anew
configure 'retry 6s until 5d' 'route all to test:x'
rule 'x Z 4.4.1 down\ndrop=down'; begin; restart; : > "$chain/log/send"
mails 20 x; got '^Z x'; sleep 1; begin
restart KILL; sleep 1; restart; sleep 1
is "$(count '^Z x')" 0 "restarts: it is not tried before its time"
got '^Z x'; sleep 1; is "$(count '^Z x')" 1 "then by one message"
is "$(grep -c 'send: alarm drop=test:x' "$chain/log/send")" 1 "one alarm over all of them"
like "$(grep 'still-down' "$chain/log/send" | tail -n 1)" 'drop=test:x status=4.4.1 waiting=0 "down"' "a line at each start"
wait_for 15 status_says '^down:test:x [1-9][0-9]' 'drop_down_seconds{drop="test:x"} [1-9][0-9]'; ok $? "the status file counts from the first"
begin; configure 'retry 1h until 5d' 'route all to test:x'; restart; got '^Z x'; begin; restart; sleep 1
is "$(count '^Z x')" 0 "nor after a change of the schedule"
rule '* K 2.0.0 kept'; sleep 1; is "$(count '^K')" 0 "it waits"
mailq retry --all --yes > /dev/null
wait_for 10 sh -c "[ \$(grep -c '^K x' $kept/jobs) = 20 ]"; ok $? "mailq retry has it tried now"
like "$(grep 'alarm-over drop=test:x' "$chain/log/send")" 'down=[0-9]' "and the alarm is cleared"
wait_for 5 spool_is_empty; ok $? "nothing waits"
restart; is "$(ls "$chain/outcome/away" 2>/dev/null)" '' "nor is anything kept of it"

# The waits made before restarts count: of what waits in the journal and in deferred, for a drop that is down and for a deliverer that is away. Those without a send do not.
in_dead() { [ -n "$(ls "$chain/dead")" ]; }
restarts_count() {		# restarts_count NAME [OPTION…]
	name=$1; shift
	begin; restart TERM "$*"
	printf 'Subject: expires\n\n' | sendmail -f '<>' x; sleep 6
	restart KILL "$*"; sleep 6; stage_stop send; sleep 5; restart TERM "$*"; sleep 2
	! in_dead; ok $? "$name: time without a send is no wait"
	wait_for 10 in_dead; ok $? "but all before restarts is"
	rm -f "$chain"/dead/*
	wait_for 5 spool_is_empty; ok $? "nothing waits"
}
configure 'retry 1s until 16s' 'route all to test:x'
rule 'x Z 4.4.1 down\ndrop=down'
restarts_count 'down, in the journal' --journal-wait 1h
drop_stop
restarts_count 'away, in deferred' --journal-wait 0s
stage_stop send; : > "$chain/log/send"
echo '%a 00000000 test:x 9 0 4.4.1 nonsense' > "$chain/outcome/away"; stage_start send; sleep 1
like "$(cat "$chain/log/send")" 'warning "outcome/away: a line is damaged' "what is damaged is told of, and passed over"
is "$(grep -c still-down "$chain/log/send")" 0 "and nothing comes of it"
rule '* K 2.0.0 kept'; drop_start

# A fallback, and the end, do not wait for a drop that is down
configure 'retry 1s until 6s' 'route rcpt f to test:x else test:second after 2s' 'route all to test:x'
rule 'x Z 4.4.1 down\ndrop=down'; begin; restart
mails 2 f
printf 'Subject: expires\n\n' | sendmail -f '<>' x
wait_for 12 sh -c "[ \$(grep -c '^K second' $kept/jobs) = 2 ]"; ok $? "else ... after, though the drop is down"
wait_for 15 in_dead; ok $? "until: what has waited for so long has failed"
rm -f "$chain"/dead/*
wait_for 5 spool_is_empty; ok $? "nothing waits"

# Who asked for it is told of the delay, once, while the drop is down
configure 'retry 1s until 1d' 'bounce delay 2s' 'route rcpt d to test:x' 'route all to local:inbox'
begin; : > "$chain/log/send"; arrived=$(arrived); restart "" "--journal-wait 0s"
printf 'Subject: late\n\nx\n' | sendmail -N delay,failure -f frank@localhost d
arrived_more() { [ "$(arrived)" -gt "$arrived" ]; }
wait_for 15 arrived_more; ok $? "down: a notice of the delay"
sleep 2; is "$(grep -c 'send: bounce id=' "$chain/log/send")" 1 "one"
is "$(grep -c 'deferred id=' "$chain/log/send")" 0 "and no attempt was made of it"
rule '* K 2.0.0 kept'; wait_for 10 spool_is_empty; ok $? "it is delivered later"

# The same while the deliverer itself is away
drop_stop
configure 'retry 1s until 8s' 'bounce delay 2s' 'route rcpt f to test:x else local:inbox after 2s' 'route rcpt /^[dx]@/ to test:x' 'limit test:one rate 1/h' 'route rcpt one to test:one' 'route all to local:inbox'
begin; : > "$chain/log/send"; arrived=$(arrived); restart "" "--journal-wait 0s"
printf 'Subject: elsewhere\n\nx\n' | sendmail f
wait_for 12 arrived_more; ok $? "away: else ... after"
like "$(grep 'instead id=' "$chain/log/send")" 'rcpt=<f.* drop=test:x .*status=4.4.7 "test is away"' "with the reason"
arrived=$(arrived)
printf 'Subject: late\n\nx\n' | sendmail -N delay,failure -f frank@localhost d
printf 'Subject: expires\n\n' | sendmail -f '<>' x
printf 'Subject: limited\n\n' | sendmail -f '<>' one
wait_for 15 arrived_more; ok $? "away: a notice of the delay"
sleep 2
is "$(grep -c 'send: bounce id=' "$chain/log/send")" 1 "one"
both_dead() { [ "$(ls "$chain/dead" | wc -l)" = 2 ]; }
wait_for 15 both_dead; ok $? "away: until"
wait_for 10 sh -c "[ \$(grep -c 'send: bounce id=' $chain/log/send) = 2 ]"; ok $? "and its sender gets a notification"
rm -f "$chain"/dead/*
wait_for 10 spool_is_empty; ok $? "nothing waits"

# One that comes back in time gets what waits
printf 'Subject: in time\n\n' | sendmail -N delay -f frank@localhost x; sleep 3
rule '* K 2.0.0 kept'; drop_start
got '^K x'; ok $? "what has not waited so long is delivered"
wait_for 5 spool_is_empty; ok $? "nothing waits"
chain_stop
is "$(grep -cE '(error|broken)' "$chain/log/send")" 0 "send logged no error"
diag "$(grep -E '(error|broken)' "$chain/log/send" | head -5)"
done_testing

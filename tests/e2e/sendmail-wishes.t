#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What sendmail's callers ask of the queue: -q tries deferred mail now; -N and -R decide who is told what, for each way that a delivery can end.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || plan_skip "needs python3"
chain_make
kept=$scratch/kept; rules=$scratch/rules
mkdir "$kept"; : > "$kept/jobs"
send_options="--out $chain/test.ctrl --config $scratch/send.conf"
queue_options="--in-mode 0666 --in $chain/public.ctrl"
python3 "$top/tests/e2e/drop.py" "$chain/test.ctrl" "$rules" "$kept" 2>> "$scratch/log/drop" & drop_pid=$!
chain_cleanup() { kill "$drop_pid" 2>/dev/null; }
cat > "$scratch/send.conf" <<TXT
retry 1h until 5d
route rcpt /^bad@/ to test:bad
route rcpt /^slow@/ to test:slow
route rcpt /^good@/ to test:good
route all to local:inbox
TXT
printf '%s\n' 'good K 2.0.0 kept' 'bad X 5.1.1 no such user here' 'slow Z 4.4.1 not now' > "$rules"
wait_for 5 test -S "$chain/test.ctrl"
chain_start
admin_start() { wait_for 5 test -S "$chain/admin.ctrl"; chmod 0666 "$chain/admin.ctrl"; }
admin_start
public() { "$scratch/sendmail" --out "$chain/public.ctrl" --admin "$chain/admin.ctrl" "$@"; }
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$scratch/sendmail" --out "$chain/public.ctrl" --admin "$chain/admin.ctrl" "$@"; }
tried() { grep -c "$1" "$kept/jobs"; }
tried_are() { [ "$(tried "$1")" = "$2" ]; }

# -q: what waits an hour is tried now
printf 'Subject: one\n\nx\n' | public -N never -f anna@here slow; printf 'Subject: two\n\nx\n' | public -v -N never -f bert@here slow > "$scratch/accepted"
second=$(sed -n 's/^accepted as //p' "$scratch/accepted")
wait_for 10 tried_are '^Z slow' 2; ok $? "two messages are deferred for an hour"
sleep 0.3
is "$(public -q)" '2 messages are tried now' "sendmail -q says that it tries both now"
wait_for 10 tried_are '^Z slow' 4; ok $? "and both are tried"
sleep 0.3
is "$(public -qI"$second")" '1 message is tried now' "-qI with an id: that one"
wait_for 10 tried_are '^Z slow <bert@here>' 3; ok $? "it is tried"
is "$(tried '^Z slow <anna@here>')" 2 "and no other"
sleep 0.3
if [ "$(id -u)" = 0 ]; then
	printf 'Subject: three\n\nx\n' | as_nobody -N never -f carl@here slow
	wait_for 10 tried_are '^Z slow <carl@here>' 1; sleep 0.3
	is "$(as_nobody -q)" '1 message is tried now' "-q as an ordinary user: the caller's own"
	wait_for 10 tried_are '^Z slow <carl@here>' 2; ok $? "it is tried"
	is "$(tried '^Z slow <anna@here>')" 2 "and nobody else's"
	is "$(as_nobody -qI"$second")" '0 messages are tried now' "somebody else's id is as good as none"
else
	skip "-q as an ordinary user: needs root to become one"
fi
sed -i 's/^slow .*/slow K 2.0.0 now/' "$rules"
public -q > "$scratch/out"; is $? 0 "-q once more"
wait_for 10 spool_is_empty; ok $? "what waited is delivered, an hour early"
is "$(public -q)" '0 messages are tried now' "-q without anything that waits"
public -q30m 2> "$scratch/err"; is "$? $(grep -c 'runs all the time' "$scratch/err")" '64 1' "-q30m: 64 with a hint"
stage_stop send
public --wait 0s -q 2> "$scratch/err"; is "$? $(grep -c 'is deaddrop-send running' "$scratch/err")" '75 1' "-q without send: 75, and why"
sed -i 's/^slow .*/slow Z 4.4.1 not now/; ' "$rules"
sed -i 's/^retry .*/retry 1s until 3s\nbounce delay 1s/' "$scratch/send.conf"
stage_start send; admin_start

# The reports that came to a sender, a word each: the recipients' Action, and what of the message is given back
cat > "$scratch/report.py" <<'TXT'
import email, glob, sys
from email import policy
said = {}
for path in glob.glob(sys.argv[1] + '/*'):
    with open(path, 'rb') as f:
        m = email.message_from_binary_file(f, policy=policy.default)
    assert m.get_content_type() == 'multipart/report' and m['Return-Path'] == '<>', path
    parts = list(m.iter_parts())
    action = [group['Action'] for group in parts[1].get_payload() if group['Action']]
    returned = {'message/rfc822': 'FULL', 'text/rfc822-headers': 'HDRS'}[parts[2].get_content_type()]
    assert ('the body of it' in parts[2].as_string()) == (returned == 'FULL'), path
    said.setdefault(m['To'].split('@')[0], []).append('%s:%s' % (','.join(sorted(action)), returned))
for sender in sorted(said):
    print(sender, *sorted(said[sender]))
TXT
rm -f "$inbox"/new/*
wishes=0
wish() {		# wish REPORTS NAME ARGUMENT…: all are sent first, each from a sender of its own, and judged when all is over
	wishes=$((wishes + 1))
	printf '%s|%s|%s\n' "s$wishes" "$1" "$2" >> "$scratch/wanted"
	shift 2
	printf 'Subject: wishes\n\nthe body of it\n' | public -f "s$wishes@here" "$@" || echo "exit $?" >> "$scratch/failed"
}
wish failed:FULL "a failure, without -N and -R: the sender is told, with the message" bad
wish failed:FULL "-N failure -R full" -N failure -R full bad
wish failed:HDRS "-N failure -R hdrs: the header alone" -N failure -R hdrs bad
wish failed:HDRS "glued, in capitals, behind the recipient" bad -NFAILURE -RHDRS
wish '' "-N never: nobody" -N never bad
wish '' "-N success where it fails: nobody" -N success bad
wish '' "-N delay where it fails at once: nobody" -N delay bad
wish '' "a delivery, without -N: nobody" good
wish '' "-N failure,delay where it is delivered: nobody" -N failure,delay good
wish delivered:HDRS "-N success: told of the delivery, with the header" -N success good
wish delivered:HDRS "-N success,failure -R full: a report without a failure holds no body" -N success,failure -R full good
wish failed:FULL "one recipient fails, one is delivered: told of the one" -N failure good bad
wish 'delayed:HDRS failed:FULL' "-N delay,failure: told when it is late and when it is given up" -N delay,failure slow
wish delayed:HDRS "-N delay: told when it is late alone" -N delay slow
wish failed:FULL "-N failure where it is late first: told of the failure alone" -N failure slow
wish '' "-N never where it is late and given up: nobody" -N never slow
is "$(cat "$scratch/failed" 2>/dev/null)" '' "sendmail takes them all"
wait_for 20 spool_is_empty; ok $? "all of it comes to an end"
sleep 0.5
python3 "$scratch/report.py" "$inbox/new" > "$scratch/reports" 2> "$scratch/err"; is "$? $(cat "$scratch/err")" '0 ' "what came are reports of the null sender"
while IFS='|' read -r sender wanted name; do
	is "$(sed -n "s/^$sender //p" "$scratch/reports")" "$wanted" "$name"
done < "$scratch/wanted"
rm -f "$inbox"/new/*
printf 'Subject: x\n\n' | public -f '<>' -N success,failure,delay good bad; is $? 0 "the null sender with wishes"
wait_for 10 grep -q '^X bad <>' "$kept/jobs"; sleep 0.5
is "$(grep -l 'multipart/report' "$inbox"/new/* 2>/dev/null | wc -l)" 0 "is told nothing"
printf 'Subject: x\n\n' | public -N sometimes -R both -V 'a b' good 2> "$scratch/err"; is $? 0 "wishes that mean nothing do not stop the message"
like "$(cat "$scratch/err")" '-N means nothing here' "and are told of: -N"
like "$(cat "$scratch/err")" '-R has a value that means nothing' "-R"
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Notifications: what a sender is told, and what is done where nobody can be.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || plan_skip "needs python3"
chain_make
kept=$scratch/kept; rules=$scratch/rules
mkdir "$kept"
echo '* K 2.0.0 kept' > "$rules"
send_options="--out $chain/test.ctrl --config $scratch/send.conf"
drop_start() { python3 "$top/tests/e2e/drop.py" "$chain/test.ctrl" "$rules" "$kept" 2>> "$scratch/log/drop" & echo $! > "$scratch/drop.pid"; wait_for 5 test -S "$chain/test.ctrl"; }
drop_stop() { kill "$(cat "$scratch/drop.pid")" 2>/dev/null; wait "$(cat "$scratch/drop.pid")" 2>/dev/null; }
chain_cleanup() { drop_stop; }
host=$(cat /etc/mailname 2>/dev/null || hostname)
restart() { stage_stop send; stage_start send; }
cat > "$scratch/send.conf" <<EOF
retry 1s until 3s
bounce delay 1s
postmaster test:postmaster
route sender /^double@/ to test:bad
route rcpt /^bad@/ to test:bad
route rcpt /^slow@/ to test:slow
route rcpt /^good@/ to test:good
route all to local:inbox
EOF
drop_start
chain_start

# A failure
echo 'bad X 5.1.1 no such user here' > "$rules"
printf 'Subject: hello w\303\266rld\nFrom: frank\nMessage-ID: <one@test>\n\nthe body\n' | sendmail -i -f frank@localhost -V 'en+v' bad
is $? 0 "sendmail"
wait_for 10 arrived_are 1; ok $? "the sender gets a message"
bounce=$(echo "$inbox"/new/*)
cat > "$scratch/parse.py" <<'EOF'
import email, sys
from email import policy
m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=policy.default)
assert not m.defects, m.defects
for part in m.walk():
    assert not part.defects, (part, part.defects)
print('type', m.get_content_type(), m.get_param('report-type'))
for name in ('From', 'To', 'Subject', 'Auto-Submitted', 'In-Reply-To', 'Return-Path'):
    print(name, m[name])
parts = list(m.iter_parts())
print('parts', ' '.join(p.get_content_type() for p in parts))
for group in parts[1].get_payload():
    for k, v in group.items():
        print('status', k, v)
inner = parts[2].get_payload()
print('inner', inner[0]['Subject'] if isinstance(inner, list) else inner.split('\n')[0])
print('body', inner[0].get_content().strip() if isinstance(inner, list) else '-')
EOF
parsed=$(python3 "$scratch/parse.py" "$bounce" 2>&1); diag "$parsed"
has() { like "$parsed" "$1" "$2"; }
has '^type multipart/report delivery-status' "multipart/report of a delivery status, without defects (Python's email package)"
has "^From .*<MAILER-DAEMON@$host>" "From MAILER-DAEMON"
has '^Return-Path <>' "the null sender"
has '^Auto-Submitted auto-replied' "Auto-Submitted"
has '^In-Reply-To <one@test>' "In-Reply-To"
has '^parts text/plain message/delivery-status message/rfc822' "three parts"
has "status Reporting-MTA dns; $host" "Reporting-MTA"
has 'status Original-Envelope-Id en\+v' "Original-Envelope-Id"
has 'status Arrival-Date' "Arrival-Date"
has "status Final-Recipient rfc822; ?bad@$host" "Final-Recipient with a host"
has 'status Action failed' "Action"
has 'status Status 5.1.1' "Status"
has 'status Diagnostic-Code X-Deaddrop; test:bad: no such user here' "Diagnostic-Code"
has '^inner hello' "the message is given back"
has '^body the body' "with its body"
like "$(cat "$bounce")" "$(printf 'Subject: hello w\303\266rld')" "byte for byte"
wait_for 5 spool_is_empty; ok $? "nothing is left in the spool"
rm -f "$inbox"/new/*

# What the sender asked for
printf 'Subject: hdrs\n\nsecret body\n' | sendmail -R hdrs -f frank@localhost bad
wait_for 10 arrived_are 1; ok $? "RET=HDRS"
parsed=$(python3 "$scratch/parse.py" "$inbox"/new/* 2>&1)
has 'parts text/plain message/delivery-status text/rfc822-headers' "the header alone comes back"
is "$(grep -c 'secret body' "$inbox"/new/*)" 0 "and not the body"
rm -f "$inbox"/new/*
printf 'Subject: never\n\nx\n' | sendmail -N never -f frank@localhost bad
wait_for 10 grep -q 'untold.*no notification' "$chain/log/send"; ok $? "NOTIFY=NEVER: nobody is told, and the log says so"
printf 'Subject: success\n\nx\n' | sendmail -N success,failure -f frank@localhost good
wait_for 10 arrived_are 1; ok $? "NOTIFY=SUCCESS: a notice of the delivery"
parsed=$(python3 "$scratch/parse.py" "$inbox"/new/* 2>&1)
has 'status Action delivered' "Action delivered"
has 'status Status 2' "Status 2"
rm -f "$inbox"/new/*

# Late, then expired
echo 'slow Z 4.4.1 connect: Connection refused' > "$rules"
printf 'Subject: slow\n\nx\n' | sendmail -N delay,failure -f frank@localhost slow
wait_for 10 arrived_are 1; ok $? "NOTIFY=DELAY: a notice of the delay"
parsed=$(python3 "$scratch/parse.py" "$inbox"/new/* 2>&1)
has 'status Action delayed' "Action delayed"
has 'status Will-Retry-Until' "Will-Retry-Until"
wait_for 15 arrived_are 2; ok $? "and later a failure, when the time is over"
like "$(cat "$inbox"/new/*)" 'Action: failed' "Action failed"
like "$(cat "$inbox"/new/*)" 'Connection refused' "with the last reason"
rm -f "$inbox"/new/*

# Nobody to tell
echo 'bad X 5.7.1 refused' > "$rules"
: > "$kept/jobs"
printf 'Subject: null\n\nx\n' | sendmail -f '<>' bad
wait_for 10 grep -q '^K postmaster <>' "$kept/jobs"; ok $? "a message of the null sender that fails goes to the postmaster's drop"
is "$(arrived)" 0 "and nobody is sent a notification"
printf 'Subject: double\n\nx\n' | sendmail -f bad@localhost bad
wait_for 10 sh -c "[ \$(grep -c '^K postmaster <>' $kept/jobs) = 2 ]"; ok $? "so does a notification that cannot be delivered"
like "$(cat "$kept"/*.msg | tr '\n' ' ')" 'Action: failed.*Subject: double' "with all that it says"
printf '%s\n' 'bad X 5.7.1 refused' 'postmaster X 5.2.2 full' > "$rules"
printf 'Subject: dead\n\nx\n' | sendmail -f bad@localhost bad
in_dead() { ls "$chain/dead" | grep -q -- '-b$'; }
wait_for 10 in_dead; ok $? "and where that fails it is kept in dead"
like "$(grep dead "$chain/log/send" | tail -n 1)" 'full' "with the reason in the log"
like "$(mailq)" 'full' "and in mailq"
rm -f "$chain"/dead/*

# Reports that stay here
sed -i 's/^bounce .*/bounce local/' "$scratch/send.conf"
echo 'bad X 5.7.1 refused' > "$rules"
restart
: > "$kept/jobs"
printf 'Subject: here\n\nx\n' | sendmail -f frank@localhost bad
wait_for 10 grep -q '^K postmaster <> frank@localhost' "$kept/jobs"; ok $? "bounce local: the report goes to the postmaster's drop"
is "$(arrived)" 0 "and not to the sender"

# A crash between the steps: the notification is held, its parent does not tell of it, or tells of it
sed -i 's/^bounce .*/bounce delay 1s/; s/^retry.*/retry 1s until 1d/' "$scratch/send.conf"
restart
drop_stop; rm -f "$chain/test.ctrl"
printf 'Subject: crash\n\nx\n' | sendmail -f frank@localhost bad
sleep 1
stage_stop send KILL
stage_start send
echo 'bad X 5.7.1 refused' > "$rules"
drop_start
wait_for 20 arrived_are 1; ok $? "killed on the way: one notification"
sleep 1
is "$(arrived)" 1 "and not two"
wait_for 5 spool_is_empty; ok $? "nothing is left in the spool"
rm -f "$inbox"/new/*

# The cap
sed -i 's/^bounce .*/bounce limit 5/' "$scratch/send.conf"
restart
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do printf 'Subject: storm %s\n\nx\n' $n | sendmail -f frank@localhost bad; done
dead_are() { [ "$(ls "$chain/dead" | grep -c .)" = "$1" ]; }
wait_for 20 dead_are 7; ok $? "over the cap failed messages are kept in dead"
wait_for 10 arrived_are 5; ok $? "and the first ones are told of"
is "$(grep -c 'alarm ' "$chain/log/send")" 1 "one alarm"
chain_stop
is "$(grep -cE '(error|broken)' "$chain/log/send")" 0 "send logged no error"
diag "$(grep -E '(error|broken)' "$chain/log/send" | head -5)"
done_testing

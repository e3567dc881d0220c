#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A storm of 10,000 failures ends at the cap with nothing lost; patterns that would never end are cut off; a notification as a mail reader sees it.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || plan_skip "needs python3"
many=$tools/bench/submit_many
[ -x "$many" ] || plan_skip "needs build/tests/bench/submit_many (make tools)"
messages=10000 limit=50
chain_make
kept=$scratch/kept; mkdir "$kept"; : > "$kept/jobs"
echo '* X 5.1.1 no such box' > "$scratch/rules"
cat > "$scratch/send.conf" <<END
bounce limit $limit
route sender "" to local:inbox
route header subject /^(a+)+\$/ to local:redos
route header subject /^((a|b|ab|ba)+)+c\$/i to local:redos
filter subject /^(([a-z])+.)+[A-Z]([a-z])+\$/ "\$1"
route rcpt /^inbox@/ to local:inbox
route all to test:a
postmaster local:inbox
END
send_options="--out $chain/test.ctrl --config $scratch/send.conf"
python3 "$top/tests/e2e/drop.py" "$chain/test.ctrl" "$scratch/rules" "$kept" & drop=$!
chain_cleanup() { kill "$drop" 2>/dev/null; }
wait_for 5 test -S "$chain/test.ctrl"
chain_start

# Patterns
python3 -c 'print("Subject: " + "a" * 60 + "!\n\nx")' > "$scratch/a"
python3 -c 'print("Subject: " + "ab" * 4000 + "!\n\nx")' > "$scratch/b"
python3 -c 'print("Subject: " + "aaaaaaaa " * 900 + "!\n\nx")' > "$scratch/c"
for n in 1 2 3 4 5; do for m in a b c; do sendmail -f frank@example.org inbox@example.org < "$scratch/$m"; done; done
wait_for 30 arrived_are 15; ok $? "15 messages that such patterns never end with are delivered all the same, within 30 seconds"
is "$(cat "$inbox"/new/* | grep -c '^Subject: a\{60\}!$\|^Subject: \(ab\)\{4000\}!$')" 10 "and have their subjects"
rm -f "$inbox"/new/*

# The storm
begun=$(date +%s)
"$many" "$chain/queue.ctrl" 20 $messages 300 > /dev/null; ok $? "$messages messages are accepted"
dead() { ls -f "$chain/dead" | grep -vc '^\.\|:\|\.b$'; }
settled() { [ $(($(dead) + $(arrived))) -ge $messages ]; }
wait_for 600 settled; ok $? "each of them is kept in dead or told to the sender"; diag "$(dead) in dead, $(arrived) arrived"
sleep 1; told=$(arrived)
# The cap comes back by the hour: on a slow machine one or two more fit in.
[ "$told" -ge $limit ] && [ "$told" -le $((limit + 1 + limit * ($(date +%s) - begun) / 3600)) ]; ok $? "no more than the cap are told ($told of $limit)"
is "$(dead)" $((messages - told)) "all others are kept in dead"
ls "$chain/dead" | sort > "$scratch/dead"
sed -n 's/.* accept id=\([^ ]*\).*/\1/p' "$scratch/log/queue" | sort -u > "$scratch/accepted"
for f in "$inbox"/new/*; do sed -n 's/.*id \([0-9a-zA-Z.-]*\).*/\1/p' "$f"; done | sort -u > "$scratch/told"
is "$(comm -23 "$scratch/accepted" "$scratch/dead" | comm -23 - "$scratch/told" | wc -l)" 15 "each is in dead or in a notification: only the 15 delivered ones are in neither"
is "$(comm -12 "$scratch/dead" "$scratch/told" | wc -l)" 0 "and none in both"
is "$(grep -c '^send: bounce ' "$scratch/log/send")" "$told" "no notification leads to another"
wait_for 10 sh -c "[ -z \"\$(ls $chain/deferred)\" ]"; ok $? "nothing is deferred"

# A mail reader
PATH=$PATH:/usr/bin/mh
if command -v mhlist >/dev/null; then
	mkdir -p "$scratch/home/Mail"; printf 'Path: Mail\n' > "$scratch/home/.mh_profile"
	set -- "$inbox"/new/*
	shown=$(HOME=$scratch/home MH=$scratch/home/.mh_profile mhlist -file "$1" 2>&1); diag "$shown"
	like "$(echo $shown)" 'multipart/report.*text/plain.*message/delivery-status.*message/rfc822' "nmh sees a report of three parts"
else
	skip "no nmh"
fi
done_testing

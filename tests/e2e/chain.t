#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A message through the whole chain, without root and supervisor.
. "$(dirname "$0")/lib.sh"
chain_make
chain_start

printf 'Subject: one\nTo: frank\nBcc: secret@example.org\n\nline\n.\nlast' | sendmail -i root frank; is $? 0 "sendmail exits 0"
wait_for 5 arrived_are 1; ok $? "the message is in the Maildir"
file=$(echo "$inbox"/new/*)
is "$(ls "$inbox/tmp" | wc -l)" 0 "nothing is left in tmp"
is "$(sed '1,/^$/d' "$file")" "line
.
last" "the body is as it was"
like "$(head -n 1 "$file")" '^Return-Path: <.+@.+>$' "Return-Path is first"
is "$(grep -c '^Delivered-To: ' "$file")" 2 "a Delivered-To for each recipient, one copy"
is "$(grep -ci '^bcc:' "$file")" 0 "Bcc is gone"
for field in Received Date Message-I[Dd] From; do
	is "$(grep -c "^$field:" "$file")" 1 "$field is there once"
done
id=$(sed -n 's/.* id \([0-9a-f-]*\);.*/\1/p' "$file")
like "$id" '^[0-9]{16}-[0-9a-f]{16}-[0-9]+$' "Received tells the id"
for stage in queue send local; do
	wait_for 3 grep -q "$id" "$chain/log/$stage"; ok $? "$stage's log tells of it"
done
like "$(basename "$file")" "$id" "so does the file's name"
wait_for 5 spool_is_empty; ok $? "mailq says that nothing waits"
no_journal() { [ -z "$(ls "$chain/journal" | grep -v lock | while read -r f; do [ -n "$(tr -d '\0' < "$chain/journal/$f" | head -c 1)" ] && echo "$f"; done)" ]; }
wait_for 5 no_journal; ok $? "no journal file with a message is left"
no_outcome() { ! ls "$chain/outcome" | grep -q '^[0-9]'; }
wait_for 5 no_outcome; ok $? "no outcome file is left"

# A large message takes another way through the spool
head -c 3000000 /dev/zero | tr '\0' 'x' | fold -w 100 > "$scratch/big"
{ printf 'Subject: big\n\n'; cat "$scratch/big"; } | sendmail root; is $? 0 "a large message: sendmail exits 0"
wait_for 5 arrived_are 2; ok $? "it is in the Maildir"
big=$(ls -S "$inbox"/new/* | head -n 1)
sed '1,/^$/d' "$big" | cmp -s - "$scratch/big"; ok $? "with all its bytes"

# Stages may be away
stage_stop local
printf 'Subject: later\n\nx\n' | sendmail root; is $? 0 "sendmail with local away"
sleep 1
is "$(arrived)" 2 "nothing arrives"
like "$(mailq)" 'root' "mailq shows it"
stage_start local
wait_for 10 arrived_are 3; ok $? "it arrives when local is back"
stage_stop send
printf 'Subject: later still\n\nx\n' | sendmail root; is $? 0 "sendmail with send away"
like "$("$bin/deaddrop-mailq" --spool "$chain" 2>"$scratch/err")" '<root@.*> new' "without send mailq reads the spool itself"
like "$(cat "$scratch/err")" 'reading the spool' "and says so"
"$bin/deaddrop-mailq" --spool "$chain" --json 2>/dev/null | python3 -c 'import json,sys; m=json.load(sys.stdin); assert len(m)==1 and m[0]["recipients"][0]["state"]=="new"'
ok $? "mailq --json is JSON"
stage_start send
wait_for 10 arrived_are 4; ok $? "it arrives when send is back"
stage_stop queue
printf 'Subject: no queue\n\nx\n' | sendmail --wait 1s root 2> "$scratch/err"; is $? 75 "without queue: 75"
like "$(cat "$scratch/err")" 'queue' "and a text that names it"
( sleep 1; stage_start queue ) &
printf 'Subject: waits\n\nx\n' | sendmail root; is $? 0 "sendmail waits for a queue that starts"
wait $! 2>/dev/null
wait_for 10 arrived_are 5; ok $? "and the message arrives"
is "$(cat "$inbox"/new/* | grep -c '^Subject:')" 5 "five messages, none twice"

chain_stop
is "$(grep -cE '(error|broken|damage)' "$chain"/log/* | cut -d: -f2 | paste -sd+ | bc 2>/dev/null || echo 0)" 0 "no stage logged an error"
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Send was killed when a message stood in deferred and its move was not noted yet: the journal has it as new. Queue still holds the journal
# locked, so the message is delivered from deferred long before the journal is read. It is not delivered from the journal again.
. "$(dirname "$0")/../e2e/lib.sh"
mk=$tools/crash/mkjournal
chain_make
for n in 0 1; do printf 'Subject: record %s\n\nbody\n' $n > "$scratch/m$n"; done
set -- $("$mk" -e "$chain/journal" "$scratch/m0" "$scratch/m1")
name=$1
cp "$chain/journal/$name" "$scratch/journal"
printf 'route header subject "record 1" to late:inbox\nretry 1s\n' > "$chain/send.conf"
send_options="--config $chain/send.conf --out $chain/late.ctrl --journal-wait 0s"
chain_cleanup() { for pid in ${late-} ${holder-}; do kill $pid; done; }
stage_start local
stage_start send
wait_for 20 test -e "$chain/deferred/$name-1"; ok $? "the second message waits in deferred"
stage_stop send KILL

# The journal as it was, no outcome noted, and locked
rm -f "$chain/outcome/$name"
cp "$scratch/journal" "$chain/journal/$name"
flock "$chain/journal/$name" sh -c 'echo > "$0"; exec sleep 1000' "$scratch/locked" & holder=$!
wait_for 5 test -e "$scratch/locked"
"$bin/deaddrop-local" --in "$chain/late.ctrl" --inbox "$chain/mail/late" 2>> "$chain/log/late" & late=$!
stage_start send
wait_for 20 sh -c '! test -e "$0"' "$chain/deferred/$name-1"; ok $? "it is delivered from there"
rm -f "$chain/mail/late/new"/*		# a reader takes it away
pkill -P $holder sleep; wait $holder 2>/dev/null; holder=''
queue_options='--key-hold 1'
stage_start queue
stopped() { grep -q "done id=$name-0 .*" "$chain/log/send" && ! test -e "$chain/journal/$name"; }
wait_for 20 stopped; ok $? "the journal is read to its end, and goes"
is "$(ls "$chain/mail/late/new" | wc -l)" 0 "it is not delivered again"
is "$(grep -c "send: done id=$name-1 " "$chain/log/send")" 1 "by the log neither"
done_testing

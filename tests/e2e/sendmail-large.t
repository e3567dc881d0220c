#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Large input in little memory: sendmail gets 24 MB of address space, whatever comes; and what it cannot store it tells.
. "$(dirname "$0")/lib.sh"
chain_make
chain_start
small() { (ulimit -v 24576; sendmail "$@"); }
body_of() { sed '1,/^$/d' "$1"; }
largest() { ls -S "$inbox"/new/* | head -n 1; }

seq 1 6000000 > "$scratch/body"
{ printf 'Subject: pipe\n\n'; cat "$scratch/body"; } | small -i root; is $? 0 "45 MB from a pipe"
wait_for 20 arrived_are 1; ok $? "arrive"
body_of "$(largest)" | cmp -s - "$scratch/body"; ok $? "with all bytes"
rm -f "$inbox"/new/*
{ printf 'Subject: file\n\n'; cat "$scratch/body"; } > "$scratch/message"
small -i root < "$scratch/message"; is $? 0 "the same from a file"
wait_for 20 arrived_are 1; ok $? "arrives"
body_of "$(largest)" | cmp -s - "$scratch/body"; ok $? "with all bytes"
rm -f "$inbox"/new/*
{ printf 'Subject: crlf\r\n\r\n'; sed 's/$/\r/' "$scratch/body"; } | small -i root; is $? 0 "the same with CRLF"
wait_for 20 arrived_are 1; ok $? "arrives"
body_of "$(largest)" | cmp -s - "$scratch/body"; ok $? "with LF"
rm -f "$inbox"/new/*
{ printf 'Subject: header\n'; head -n 700000 "$scratch/body" | sed 's/.*/X-Field-&: some text behind it/'; printf '\nbody\n'; } > "$scratch/message"
small -i root < "$scratch/message"; header=$?
if [ $header = 0 ]; then
	wait_for 20 arrived_are 1; ok $? "a header of 26 MB arrives"
	is "$(grep -c '^X-Field-' "$(largest)")" 700000 "with all its fields"
else
	is $header 69 "a header of 26 MB: queue refuses what send could not read"
	ok 0 "and says so"
fi
rm -f "$inbox"/new/*
{ printf 'Subject: line\nX-Line: '; head -c 3000000 /dev/zero | tr '\0' x; printf '\n\n'; head -c 30000000 /dev/zero | tr '\0' '\r'; } | small -i root; is $? 0 "a field of 3 MB and a body of CRs alone"
wait_for 20 arrived_are 1; ok $? "arrive"
is "$(tr -cd '\r' < "$(largest)" | wc -c)" 30000000 "all of them"

# The wishes about notifications stand in the record, where send finds them
stage_stop send
printf 'Subject: wishes\n\nx\n' | sendmail -N failure,delay -R hdrs -V q7 -B8BITMIME -f '' root; is $? 0 "-N, -R, -V, -B, and no sender"
cat "$chain"/journal/[0-9]* | tr -d '\0' > "$scratch/journal"
for line in 'ret HDRS' 'envid q7' 'body 8BITMIME' 'notify FAILURE,DELAY'; do
	like "$(cat "$scratch/journal")" "attr $line" "the record has: $line"
done
stage_start send

# Exit codes
sendmail < /dev/null 2> "$scratch/err"; is "$? $(grep -c 'no recipients: give them' "$scratch/err")" '64 1' "no recipients: 64, and what to do"
sendmail @@ < /dev/null 2> "$scratch/err"; is "$? $(grep -c '@@' "$scratch/err")" '65 1' "no address: 65, and which"
sendmail root <&- 2> "$scratch/err"; is $? 74 "standard input is closed: 74"
like "$(cat "$scratch/err")" 'standard input' "and says so"
sendmail -bd 2> "$scratch/err"; is "$? $(grep -c 'deaddrop-smtpd' "$scratch/err")" '64 1' "-bd: 64 with a hint"
sendmail -bt 2> "$scratch/err"; is "$? $(grep -c 'explain' "$scratch/err")" '64 1' "-bt: 64 with a hint"
sendmail --config /nonexistent root < /dev/null 2> "$scratch/err"; is $? 78 "a named configuration that is not there: 78"
echo 'nonsense here' > "$scratch/conf"
sendmail --config "$scratch/conf" root < /dev/null 2> "$scratch/err"; is $? 78 "a broken configuration: 78"
like "$(cat "$scratch/err")" "conf:1: " "with file and line"
stage_stop queue
sendmail --wait 1s root < /dev/null 2> "$scratch/err"; is $? 75 "no queue: 75"
is "$(ls /var/tmp/deaddrop-inject.* /tmp/deaddrop-inject.* 2>/dev/null)" '' "no temporary file is left"
done_testing

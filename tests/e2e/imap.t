#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-imap and a real Dovecot: TLS, each mechanism, mailboxes, quota, kills in mid-append.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/imap_dovecot.sh"
imap_bin=${DEADDROP_IMAP:-$bin/deaddrop-imap}
here=$top/tests/e2e
[ -x "$imap_bin" ] || plan_skip "deaddrop-imap is not built"
need_dovecot
chain_stop() { :; }
chain_cleanup() { imap_stop KILL; dovecot_stop; }
imap_pid=''
imap_start() {
	"$imap_bin" --in "$scratch/imap.ctrl" --config "$scratch/imap.conf" --chroot "$scratch/jail" --user nobody 2>> "$scratch/log" < /dev/null &
	imap_pid=$!
	wait_for 5 python3 -c "import socket; socket.socket(socket.AF_UNIX).connect('$scratch/imap.ctrl')"
}
imap_stop() { [ -z "$imap_pid" ] || { kill "-${1:-TERM}" "$imap_pid" 2>/dev/null; wait "$imap_pid" 2>/dev/null; imap_status=$?; imap_pid=; }; }
jobs() { python3 "$here/imap_jobs.py" "$scratch/imap.ctrl" "$@"; }
hand() { "$imap_bin" --config "$scratch/imap.conf" "$@"; }
# ids USER [FOLDER]: the ids of what is stored, sorted
ids() { find "$dovecot/mail/$1/Maildir/${2:+.$2}" -type f \( -path '*/new/*' -o -path '*/cur/*' \) -exec sed -n 's/.*id \([0-9a-f-]*\);.*/\1/p' {} + 2>/dev/null | sort; }
once() {		# once USER FOLDER COUNT NAME: COUNT messages, none twice
	is "$(ids "$1" "$2" | wc -l) $(ids "$1" "$2" | uniq | wc -l)" "$3 $3" "$4"
}

dovecot_make
dovecot_start; ok $? "dovecot runs"
printf '%s\n' "$dovecot_password" > "$scratch/frank.pw"; chmod 0600 "$scratch/frank.pw"
tls="host localhost; port $imaps_port; ca-file $dovecot/cert.pem; settle 3"
account="$tls; user frank; password-file frank.pw"
pin=$(openssl x509 -in "$dovecot/cert.pem" -pubkey -noout | openssl pkey -pubin -outform DER 2>/dev/null | openssl dgst -sha256 -binary | openssl base64)
cat > "$scratch/imap.conf" <<-END
	drop phone { $account; mailbox "INBOX/Server/Übung & mehr"; create yes; flags "\\\\Flagged" }
	drop inbox { $account }
	drop box { $account; mailbox Box; create yes }
	drop kill { $account; mailbox Kill; create yes }
	drop break { $account; mailbox Break; create yes }
	drop big { $account; mailbox Big; create yes }
	drop one { $account; mailbox "Lists/\$1"; create yes }
	drop start { host localhost; port $imap_port; tls starttls; ca-file $dovecot/cert.pem; user frank; password-file frank.pw }
	drop pinned { host localhost; port $imaps_port; pin $pin; user frank; password-file frank.pw }
	drop pins { host localhost; port $imaps_port; pin sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= $pin; user frank; password-file frank.pw }
	drop unpinned { host localhost; port $imaps_port; pin sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; user frank; password-file frank.pw }
	drop noca { host localhost; port $imaps_port; user frank; password-file frank.pw }
	drop name { host 127.0.0.1; port $imaps_port; ca-file $dovecot/cert.pem; user frank; password-file frank.pw }
	drop wrong { $tls; user frank; password wrong }
	drop full { $tls; user grace; password-file frank.pw }
	drop scram1 { $account; sasl SCRAM-SHA-1 }
	drop scram256 { $account; sasl SCRAM-SHA-256 }
	drop cram { $account; sasl CRAM-MD5 }
	drop plain { $account; sasl PLAIN }
	drop login { $account; sasl LOGIN }
	drop command { $tls; user frank; password-command "cat $scratch/frank.pw" }
END
mkdir "$scratch/jail"

# by hand
printf 'Subject: one\n\nbody\n.\nlast' | hand --account phone -vv 2> "$scratch/trace"; is $? 0 "one message by hand: exit 0"
file=$(find "$dovecot/mail/frank" -path '*Server.&ANw-bung &- mehr*cur/*' -type f)
like "$file" ':2,F$' "it is in the mailbox, which was made, with its flag"
is "$(tail -n 1 "$file")" "last" "the message is whole"
grep -q Server "$dovecot/mail/frank/Maildir/subscriptions"; ok $? "the mailbox is subscribed to"
is "$(grep -cF -e "$dovecot_password" -e "$(printf '\0frank\0%s' "$dovecot_password" | openssl base64)" "$scratch/trace")" 0 "the trace does not show the password"
like "$(cat "$scratch/trace")" 'APPEND .*\{[0-9]+\+\}' "but the commands"
for name in start pinned pins scram1 scram256 cram plain login command; do
	out=$(hand --check --account $name 2>&1); is $? 0 "--check $name"
	like "$out" "INBOX is there" "$name: the mailbox is found"
done
out=$(hand --check --account start 2>&1)
like "$out" 'tls: TLSv1.[23] [A-Z0-9_-]+, verified, key sha256//' "--check shows TLS"
like "$out" 'capabilities: IMAP4rev1 .*UIDPLUS' "and the capabilities behind the login"
printf 'drop fd { %s; user frank; password-fd 7 }\n' "$tls" > "$scratch/fd.conf"
out=$("$imap_bin" --config "$scratch/fd.conf" --check 2>&1 7< "$scratch/frank.pw"); is $? 0 "a password from a descriptor"
"$imap_bin" --config "$scratch/fd.conf" --check 7<&- > /dev/null 2>&1; is $? 78 "that is not open"
like "$(hand --check --account cram)" 'login: CRAM-MD5' "the mechanism that was asked for is used"
for name in unpinned noca name; do
	out=$(hand --check --account $name 2>&1); is $? 75 "--check $name fails"
	like "$out" '4.7.5 .*(certificate|pin|key|name|mismatch)' "$name: and says why"
done
out=$(hand --check --account wrong 2>&1); is $? 77 "--check with a wrong password: 77"
printf 'Subject: x\n\nx\n' | hand --account wrong 2>/dev/null; is $? 75 "by hand with a wrong password: 75"
printf 'Subject: nul\n\na\0b\n' | hand --account inbox; is $? 0 "a message with a NUL byte, as a binary literal"
hand --account inbox < /dev/null 2>/dev/null; is $? 66 "no message: 66"

# as a stage
imap_start
is "$(jobs 300 drop=box)" "K=300" "300 jobs"
once frank Box 300 "each is stored once"
is "$(jobs 300 drop=box)" "K=300" "asked again, answered from memory"
once frank Box 300 "and not stored again"
is "$(jobs 10 drop=big size=2000000 first=500 | grep -c '^K')" 10 "ten of 2 MB, with descriptors"
once frank Big 10 "each is stored once"
jobs 1 drop=one/list first=600 > "$scratch/out" 2>&1; like "$(cat "$scratch/out")" '^K 2.0.0 Lists/list' "a drop with an argument"
jobs 1 drop=one/../x first=601 > "$scratch/out" 2>&1; like "$(cat "$scratch/out")" '^X 5.1.3' "an argument that is no name"
jobs 1 drop=none first=602 > "$scratch/out" 2>&1; like "$(cat "$scratch/out")" '^Z 4.3.5 no drop named none' "a drop that is not there"
jobs 8 drop=full first=700 > "$scratch/out" 2>&1
like "$(sort "$scratch/out" | tail -n 1)" '^Z 4.2.2 .*OVERQUOTA' "over quota: later"
is "$(grep -c '^K 2' "$scratch/out")" "$(ids grace | wc -l)" "what fits is stored"
imap_stop; is "$imap_status" 0 "TERM: exit 0"
imap_start
is "$(jobs 300 drop=box unclear=1)" "K=300" "a new stage, all unclear: all are found"
once frank Box 300 "none is stored twice"
is "$(jobs 50 drop=box first=290 unclear=1)" "K=50" "some are there, some are not"
once frank Box 340 "each once"

# the stage is killed in mid-append
round=0
while [ $round -lt 6 ]; do
	round=$((round + 1))
	jobs 400 drop=kill first=1000 unclear=1 wait=3.$((round * 7 % 10))5 > /dev/null 2>&1
	imap_stop KILL
	imap_start
done
is "$(jobs 400 drop=kill first=1000 unclear=1 wait=60)" "K=400" "killed six times in mid-append: all done at last"
once frank Kill 400 "each message exactly once"

# the server's side is killed in mid-append
broken_at() { [ "$(ids frank Break | wc -l)" -ge "$1" ]; }
jobs 400 drop=break first=3000 wait=90 > "$scratch/out" 2>/dev/null &
jobs_pid=$!
for round in 1 2; do
	wait_for 10 broken_at $((round * 20))
	pgrep -f "^dovecot/imap$" -P "$dovecot_pid" | while read -r p; do kill -9 "$p"; done
	sleep 0.2
done
wait $jobs_pid
like "$(cat "$scratch/out")" '^K=400$' "the server's process killed in mid-append: all done"
like "$(grep -c "imap: account name=break" "$scratch/log")" "^[12]\$" "its connection broke"
once frank Break 400 "each message exactly once"

# the server goes away and comes back
dovecot_stop
jobs 3 drop=inbox first=4000 > "$scratch/out" 2>&1
like "$(cat "$scratch/out")" '^Z 4\.4\.[12]' "no server: later"
imap_stop; is "$imap_status" 0 "TERM without a server: exit 0"
is "$(grep -cE 'imap: (error|panic)' "$scratch/log")" 0 "no error in the log"
done_testing

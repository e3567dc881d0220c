#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-imap --import into a real Dovecot: bytes, flags, dates; killed and run again; what must not be followed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/imap_dovecot.sh"
imap_bin=${DEADDROP_IMAP:-$bin/deaddrop-imap}
here=$top/tests/e2e
[ -x "$imap_bin" ] || plan_skip "deaddrop-imap is not built"
need_dovecot
chain_stop() { :; }
chain_cleanup() { dovecot_stop; }
dovecot_make
dovecot_start; ok $? "dovecot runs"
printf '%s\n' "$dovecot_password" > "$scratch/frank.pw"
account="host localhost; port $imaps_port; ca-file $dovecot/cert.pem; user frank; password-file frank.pw"
cat > "$scratch/imap.conf" <<-END
	drop phone { $account; mailbox Import; create yes; flags "\\\\Flagged"; date now }
	drop inbox { $account; create yes }
	drop fixed { $account; mailbox Nowhere }
	drop small { $account; mailbox Small; create yes; limit 1M }
	drop full { host localhost; port $imaps_port; ca-file $dovecot/cert.pem; user grace; password-file frank.pw }
	drop wrong { host localhost; port $imaps_port; ca-file $dovecot/cert.pem; user frank; password wrong }
END
import() { "$imap_bin" --config "$scratch/imap.conf" --account "$@" 2> "$scratch/err" < /dev/null; }
compare() { python3 "$here/imap_import.py" compare "$scratch" "$1" localhost "$imaps_port" "$dovecot/cert.pem" frank "$scratch/frank.pw" "$2" 2>&1; }
stored() { find "$dovecot/mail/frank/Maildir/.$1" -type f \( -path '*/new/*' -o -path '*/cur/*' \) 2>/dev/null | wc -l; }
TZ=Europe/Berlin; export TZ
python3 "$here/imap_import.py" make "$scratch" 300 || plan_skip "the mailboxes cannot be made"

# a Maildir, whole; then once more
out=$(import phone --import "$scratch/Maildir"); is $? 0 "a Maildir is imported"
like "$out" '^stored 321 .*, there already 0, refused 0, failed 0, skipped 3$' "the sum"
is "$(compare Maildir Import)" same "bytes, flags and dates are the same"
like "$(cat "$scratch/err")" 'message=cur/2.fifo:2,S "no regular file"' "what is skipped is told"
is "$(grep -c "$(printf '\r')" "$scratch/err")" 0 "no progress where there is no terminal"
out=$(import phone --import "$scratch/Maildir")
like "$out" '^stored 0 .*, there already 321,' "run again: nothing is stored twice"
is "$(compare Maildir Import)" same "and nothing is lost"

# flags change and files move meanwhile: it is the same mailbox
rm -rf "$scratch/Maildir/cur/"[123].*
for f in "$scratch/Maildir/new/"*; do mv "$f" "$scratch/Maildir/cur/${f##*/}:2,S"; done
out=$(import phone --import "$scratch/Maildir"); like "$out" '^stored 0 .*, there already 321,' "after a reader moved and marked messages, too"

# some are deleted on the server: those that differ in their bytes alone are told apart
python3 - "$here" localhost "$imaps_port" "$dovecot/cert.pem" frank "$scratch/frank.pw" <<-'END'
	import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True
	import imap_import
	s = imap_import.connect(*sys.argv[2:])
	s.select('Import')
	s.store('3,200,303,305,309,311', '+FLAGS', '(\\Deleted)')
	for n in s.search(None, 'DELETED')[1][0].split():
	    if n not in (b'3', b'200', b'303', b'305', b'309', b'311'): s.store(n, '-FLAGS', '(\\Deleted)')
	s.expunge()
END
out=$(import phone --import "$scratch/Maildir"); like "$out" '^stored 6 .*, there already 315,' "six were deleted there: they alone are stored again"
python3 - "$here" "$scratch" localhost "$imaps_port" "$dovecot/cert.pem" frank "$scratch/frank.pw" > "$scratch/out" <<-'END'
	import sys, pickle; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True
	import imap_import
	want = sorted(m[0] for m in pickle.load(open(sys.argv[2] + '/Maildir.expected', 'rb')))
	print(want == sorted(m[0] for m in imap_import.fetch(imap_import.connect(*sys.argv[3:]), 'Import')))
END
is "$(cat "$scratch/out")" True "each of them, the twins too"

# subfolders
out=$(import inbox --import "$scratch/Maildir" --mailbox Tree --subfolders); is $? 0 "with subfolders"
is "$(compare sub 'Tree.Lists.&ANw-bung')" same "a folder with a name in modified UTF-7"
is "$(compare old Tree.Old)" same "and another"
is "$(stored Linked)$(stored Tree.Linked)" 00 "a link to a directory is no folder"
out=$(import inbox --import "$scratch/Maildir" --subfolders); is $? 0 "into INBOX"
is "$(compare old Old)" same "folders stand beside INBOX then"

# mbox
out=$(import inbox --import "$scratch/mbox" --mailbox Box); is $? 0 "an mbox file, in the host's time zone"
like "$out" '^stored 322 ' "all its messages"
is "$(compare mbox Box)" same "quoting undone, Status and X-Status become flags, the From_ lines' dates"
out=$(import inbox --import "$scratch/mbox" --mailbox Box); like "$out" '^stored 0 .*, there already 322,' "run again: nothing is stored twice"

# killed, again and again
python3 "$here/imap_import.py" make "$scratch/kill" 2500 && cp "$scratch/kill/Maildir.expected" "$scratch/kill.expected"
round=0 killed=0
while [ $round -lt 3 ]; do
	round=$((round + 1))
	before=$(stored Kill)
	"$imap_bin" --config "$scratch/imap.conf" --account inbox --import "$scratch/kill/Maildir" --mailbox Kill > "$scratch/out" 2> "$scratch/err" < /dev/null &
	pid=$!
	more() { [ "$(stored Kill)" -ge $((before + 100 * round)) ] || ! kill -0 $pid 2>/dev/null; }
	wait_for 20 more
	kill -9 $pid 2>/dev/null && killed=$((killed + 1))
	wait $pid 2>/dev/null
done
is "$killed" 3 "killed three times in mid-upload"
out=$(import inbox --import "$scratch/kill/Maildir" --mailbox Kill); is $? 0 "the fourth goes to the end"
is "$(compare kill Kill)" same "each message exactly once, with flags and date"

# the server's side is killed
"$imap_bin" --config "$scratch/imap.conf" --account inbox --import "$scratch/kill/Maildir" --mailbox Broken > "$scratch/out" 2> "$scratch/err" < /dev/null &
pid=$!
some() { [ "$(stored Broken)" -ge 300 ]; }
wait_for 20 some
pgrep -f "^dovecot/imap$" -P "$dovecot_pid" | while read -r p; do kill -9 "$p"; done
wait $pid; is $? 0 "the server's process is killed: it goes on by itself"
is "$(grep -c 'imap: connection' "$scratch/err")" 1 "the connection broke"
is "$(compare kill Broken)" same "each message exactly once"

# what does not go
out=$(import small --import "$scratch/Maildir"); is $? 65 "one is too large: exit 65"
like "$out" 'refused 1,' "it alone is refused"
out=$(import full --import "$scratch/Maildir"); is $? 75 "over quota: exit 75"
like "$(cat "$scratch/err")" '4.2.2 .*OVERQUOTA' "and says why"
out=$(import fixed --import "$scratch/Maildir"); is $? 73 "a mailbox that is missing: 73"
like "$(cat "$scratch/err")" 'Nowhere is missing; make it' "and says so"
import wrong --import "$scratch/Maildir" > /dev/null; is $? 77 "a wrong password: 77"
import inbox --import "$scratch/none" > /dev/null; is $? 66 "no such mailbox: 66"
import inbox --import "$scratch/imap.conf" > /dev/null; is $? 65 "a file that is no mbox: 65"
mkfifo "$scratch/fifo"; import inbox --import "$scratch/fifo" > /dev/null; is $? 65 "a FIFO: 65"
import inbox --mailbox x < /dev/null > /dev/null; is $? 64 "--mailbox alone: 64"
: > "$scratch/empty"; out=$(import inbox --import "$scratch/empty"); is $? 0 "an empty file"
like "$out" '^stored 0 ' "holds nothing"

# a terminal
if command -v script >/dev/null; then
	script -qec "'$imap_bin' --config '$scratch/imap.conf' --account inbox --import '$scratch/mbox' --mailbox Shown" "$scratch/typescript" > /dev/null < /dev/null
	like "$(tr '\r' '\n' < "$scratch/typescript")" 'Shown: [0-9]+ of 322; in all [0-9]+ stored, .* a second' "progress on a terminal"
else
	skip "script(1) is not installed"
fi
done_testing

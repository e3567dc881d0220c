#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-imap and a real Courier IMAP: TLS, each mechanism, the prefix of its names, quota, kills in mid-append, an import.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/imap_peer.sh"
peers courier-imap courier-authdaemon courier-authlib-userdb
chain_cleanup() { imap_stop KILL; }
peer_many=60		# it takes each message by itself, and its time
peer_port=993 peer_ca=$scratch/cert.pem peer_user=frank peer_password=$scratch/frank.pw
peer_certificate
printf 'p"w 1\n' > "$scratch/frank.pw"
mkdir -p /run/courier/authdaemon "$scratch/mail"
chown -R courier:courier /run/courier
for user in frank grace; do
	mkdir "$scratch/mail/$user"; maildirmake "$scratch/mail/$user/Maildir"
	userdb "$user" set uid="$(id -u nobody)" gid="$(id -g nobody)" home="$scratch/mail/$user" mail="$scratch/mail/$user/Maildir"
	printf 'p"w 1\np"w 1\n' | userdbpw -md5 | userdb "$user" set imappw
	printf 'p"w 1\np"w 1\n' | userdbpw -hmac-md5 | userdb "$user" set imap-hmac-md5pw
done 2> "$scratch/err"
maildirmake -q 20000S "$scratch/mail/grace/Maildir"
chown -R nobody:"$(id -gn nobody)" "$scratch/mail"
chmod 0700 /etc/courier/userdb 2>/dev/null; chmod 0600 /etc/courier/userdb; makeuserdb 2>> "$scratch/err"
sed -i 's/^authmodulelist=.*/authmodulelist="authuserdb"/' /etc/courier/authdaemonrc
sed -i "s|^TLS_CERTFILE=.*|TLS_CERTFILE=$scratch/both.pem|; s|^TLS_DHPARAMS=.*||; s|^TLS_CACHEFILE=.*||" /etc/courier/imapd-ssl
sed -i 's/^MAXPERIP=.*/MAXPERIP=40/; s/^IMAP_CAPABILITY=.*/IMAP_CAPABILITY="IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA AUTH=CRAM-MD5 IDLE"/' /etc/courier/imapd
chmod 0644 "$scratch/both.pem"
/usr/sbin/authdaemond start; /usr/sbin/imapd start; /usr/sbin/imapd-ssl start
wait_for 10 python3 -c 'import socket; socket.create_connection(("127.0.0.1", 993)).close()'; ok $? "Courier runs"
diag "$(cat "$scratch/err")"
tls="host localhost; ca-file $scratch/cert.pem"
account="$tls; user frank; password-file frank.pw"
cat > "$scratch/imap.conf" <<-END
	drop phone { $account; mailbox "INBOX/Server/Übung & mehr"; create yes; flags "\\\\Flagged" }
	drop inbox { $account; create yes }
	drop below { $account; mailbox "Below"; create yes }
	drop dot { $account; mailbox "with.dot"; create yes }
	drop kill { $account; mailbox Kill; create yes }
	drop break { $account; mailbox Break; create yes }
	drop start { $account; tls starttls }
	drop full { $tls; user grace; password-file frank.pw }
	drop wrong { $tls; user frank; password wrong }
	drop cram { $account; sasl CRAM-MD5 }
	drop plain { $account; sasl PLAIN }
	drop clear { host localhost; tls none; user frank; password-file frank.pw; sasl "PLAIN LOGIN" }
END
# mechanisms and TLS
for name in inbox start cram plain; do
	out=$(hand --check --account $name 2>&1); is $? 0 "--check $name"
	like "$out" "INBOX is there" "$name: the mailbox is found"
	[ $name != inbox ] || diag "$out"
done
like "$(hand --check --account inbox)" 'prefix: "INBOX."' "its prefix is known"
like "$(hand --check --account cram)" 'login: CRAM-MD5' "the mechanism that was asked for is used"
out=$(hand --check --account wrong 2>&1); is $? 77 "a wrong password: 77"
out=$(hand --check --account clear 2>&1); is $? 77 "no password is sent without TLS"

# mailboxes
printf 'Subject: one\n\nbody\n.\nlast' | hand --account phone -vv 2> "$scratch/trace"; is $? 0 "a mailbox is made, with levels and other letters"
is "$(peer_look list 'INBOX.Server.&ANw-bung &- mehr')" "1 1" "under its wire name; and subscribed to"
is "$(peer_look body 'INBOX.Server.&ANw-bung &- mehr' | tr -d '\r')" "$(printf '\\Flagged\nSubject: one\n\nbody\n.\nlast')" "the message is whole, with its flag"
printf 'Subject: two\n\nx\n' | hand --account below; is $? 0 "a name below the personal namespace"
is "$(peer_look list 'INBOX.Below')" "1 1" "gets its prefix"
printf 'Subject: dot\n\nx\n' | hand --account dot 2> "$scratch/err"; is $? 75 "a name that holds the separator: 75"
printf 'Subject: nul\n\na\0b\n' | hand --account inbox 2> "$scratch/err"; is $? 65 "a NUL byte: refused for ever, there is no binary literal"
printf 'not a header\n' | hand --account inbox 2> "$scratch/err"; like $? '^(0|65)$' "a message without a header: stored or refused, for good"

# as a stage
imap_start
is "$(jobs 100 drop=inbox wait=60)" "K=100" "100 jobs"
once INBOX 100 "each is stored once"
is "$(jobs 4 drop=inbox size=2000000 first=500 2>&1 | grep -c '^K 2')" 4 "four of 2 MB"
jobs 8 drop=full first=700 > "$scratch/out" 2>&1
like "$(grep "^Z 4" "$scratch/out" | tail -n 1)" '^Z 4.2.2 ' "over quota: later"
imap_stop; is "$imap_status" 0 "TERM: exit 0"
imap_start
is "$(jobs 100 drop=inbox unclear=1 wait=90)" "K=100" "a new stage, all unclear: all are found"
once INBOX 104 "none is stored twice"
peer_killed kill INBOX.Kill
kill_imapd() { pgrep -x imapd | while read -r p; do kill -9 "$p"; done; }
peer_broken break INBOX.Break kill_imapd
imap_stop
is "$(grep -cE 'imap: (error|panic)' "$scratch/log")" 0 "no error in the log"
peer_import inbox Import INBOX.Import
done_testing

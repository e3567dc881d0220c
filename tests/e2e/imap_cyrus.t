#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-imap and a real Cyrus IMAP: TLS, each mechanism, mailboxes, limits, quota, kills in mid-append, an import.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/imap_peer.sh"
peers cyrus-imapd cyrus-admin sasl2-bin libsasl2-modules
chain_cleanup() { imap_stop KILL; [ -z "${master_pid-}" ] || kill $master_pid 2>/dev/null; }
peer_port=993 peer_ca=$scratch/cert.pem peer_user=frank peer_password=$scratch/frank.pw
peer_certificate
chgrp mail "$scratch/key.pem"; chmod 0640 "$scratch/key.pem"
printf 'p"w 1\n' > "$scratch/frank.pw"
printf 'p"w 1' | saslpasswd2 -p -c -u localhost frank
printf 'p"w 1' | saslpasswd2 -p -c -u localhost grace
printf 'admin' | saslpasswd2 -p -c -u localhost cyrus
printf 'admin\n' > "$scratch/admin.pw"
chgrp sasl /etc/sasldb2; chmod 0640 /etc/sasldb2
mkdir -p "$scratch/conf" "$scratch/spool" /run/cyrus/socket /run/cyrus/proc /run/cyrus/lock
chown -R cyrus:mail "$scratch/conf" "$scratch/spool" /run/cyrus
cat > "$scratch/imapd.conf" <<-END
	configdirectory: $scratch/conf
	defaultpartition: default
	partition-default: $scratch/spool
	proc_path: /run/cyrus/proc
	mboxname_lockpath: /run/cyrus/lock
	altnamespace: no
	unixhierarchysep: no
	admins: cyrus
	servername: localhost
	defaultdomain: localhost
	loginrealms: localhost
	sasl_pwcheck_method: auxprop
	sasl_auxprop_plugin: sasldb
	sasl_sasldb_path: /etc/sasldb2
	sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256
	allowplaintext: no
	tls_server_cert: $scratch/cert.pem
	tls_server_key: $scratch/key.pem
	maxmessagesize: 4000000
	syslog_prefix: cyrus
	duplicatesuppression: no
	autocreate_users: anyone
	autocreate_post: 0
END
{ cat "$scratch/imapd.conf"; echo 'tls_versions: tls1_2'; } > "$scratch/imapd12.conf"
cat > "$scratch/cyrus.conf" <<-END
	START {
	  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -C $scratch/imapd.conf -r"
	}
	SERVICES {
	  imap cmd="/usr/lib/cyrus/bin/imapd -C $scratch/imapd.conf" listen="127.0.0.1:143" prefork=0
	  imaps cmd="/usr/lib/cyrus/bin/imapd -C $scratch/imapd.conf -s" listen="127.0.0.1:993" prefork=0
	  imaps12 cmd="/usr/lib/cyrus/bin/imapd -C $scratch/imapd12.conf -s" listen="127.0.0.1:1993" prefork=0
	}
	EVENTS {
	}
END
/usr/lib/cyrus/bin/master -C "$scratch/imapd.conf" -M "$scratch/cyrus.conf" > "$scratch/master" 2>&1 &
master_pid=$!
cat > "$scratch/admin.py" <<-'END'
	import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True
	import imap_import
	s = imap_import.connect('localhost', 993, sys.argv[2], 'cyrus', sys.argv[3])
	for user in ('frank', 'grace'):
	    answers = s.create('user.' + user)
	    assert answers[0] == 'OK', answers
	s.setquota('user.grace', '(STORAGE 20)')
END
ready() { python3 "$scratch/admin.py" "$here" "$scratch/cert.pem" "$scratch/admin.pw"; }
wait_for 10 python3 -c 'import socket; socket.create_connection(("127.0.0.1", 993)).close()'
ready 2> "$scratch/out"; ok $? "Cyrus runs"
diag "$(tail -n 3 "$scratch/out")"
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
	drop clear { host localhost; tls none; user frank; password-file frank.pw; sasl "PLAIN LOGIN" }
	drop full { $tls; user grace; password-file frank.pw }
	drop wrong { $tls; user frank; password wrong }
	drop scram256 { $account; sasl SCRAM-SHA-256 }
	drop bound { $account; port 1993; sasl SCRAM-SHA-256-PLUS }
	drop bound1 { $account; port 1993; sasl SCRAM-SHA-1-PLUS }
	drop best { $account; port 1993 }
	drop strict { $account; sasl SCRAM-SHA-256-PLUS }
	drop scram1 { $account; sasl SCRAM-SHA-1 }
	drop cram { $account; sasl CRAM-MD5 }
	drop plain { $account; sasl PLAIN }
	drop login { $account; sasl LOGIN }
END
# mechanisms and TLS
for name in start bound bound1 scram256 scram1 cram plain login; do
	out=$(hand --check --account $name 2>&1); is $? 0 "--check $name"
	like "$out" "INBOX is there" "$name: the mailbox is found"
done
like "$(hand --check --account cram)" 'login: CRAM-MD5' "the mechanism that was asked for is used"
like "$(hand --check --account best)" 'login: SCRAM-SHA-256-PLUS$' "with TLS 1.2 the best is chosen: bound to the channel (tls-unique)"
like "$(hand --check --account inbox 2> "$scratch/err")" 'login: SCRAM-SHA-256$' "with TLS 1.3 it refuses what it offers: without binding then"
like "$(cat "$scratch/err")" 'SCRAM-SHA-256-PLUS is refused; once more without: .' "and the log says so"
out=$(hand --check --account strict 2>&1); is $? 77 "unless the account insists on binding"
out=$(hand --check --account wrong 2>&1); is $? 77 "a wrong password: 77"
out=$(hand --check --account clear 2>&1); is $? 77 "no password is sent without TLS"
like "$out" 'without TLS|clear' "and it says so"

# mailboxes
printf 'Subject: one\n\nbody\n.\nlast' | hand --account phone -vv 2> "$scratch/trace"; is $? 0 "a mailbox is made, with levels and other letters"
is "$(peer_look list 'INBOX.Server.&ANw-bung &- mehr')" "1 1" "under its wire name; and subscribed to"
is "$(peer_look body 'INBOX.Server.&ANw-bung &- mehr' | tr -d '\r')" "$(printf '\\Flagged\nSubject: one\n\nbody\n.\nlast')" "the message is whole, with its flag"
printf 'Subject: two\n\nx\n' | hand --account below; is $? 0 "a name below the personal namespace"
is "$(peer_look list 'INBOX.Below')" "1 1" "gets its prefix"
printf 'Subject: dot\n\nx\n' | hand --account dot 2> "$scratch/err"; is $? 75 "a name that holds the separator: 75"
like "$(cat "$scratch/err")" 'cannot hold it' "and says why"

# what it does not take
printf 'Subject: nul\n\na\0b\n' | hand --account inbox 2> "$scratch/err"; status=$?
like "$status" '^(0|65)$' "a NUL byte: stored as a binary literal, or refused for ever"
diag "NUL: $status $(cat "$scratch/err")"
{ printf 'Subject: large\n\n'; head -c 5000000 /dev/zero | tr '\0' x; } | hand --account inbox -vv 2> "$scratch/err"; is $? 65 "over its limit: never"
like "$(cat "$scratch/err")" '5.3.4' "as too large"
diag "$(grep -o 'APPENDLIMIT=[0-9]*' "$scratch/err" | head -n 1)"
printf 'not a header\n' | hand --account inbox 2> "$scratch/err"; like $? '^(0|65)$' "a message without a header: stored or refused, for good"

# as a stage
imap_start
is "$(jobs 300 drop=inbox)" "K=300" "300 jobs"
once INBOX 300 "each is stored once"
is "$(jobs 4 drop=inbox size=2000000 first=500 2>&1 | grep -c '^K 2')" 4 "four of 2 MB"
jobs 8 drop=full first=700 > "$scratch/out" 2>&1
like "$(grep "^Z 4" "$scratch/out" | tail -n 1)" '^Z 4.2.2 .*' "over quota: later"
imap_stop; is "$imap_status" 0 "TERM: exit 0"
imap_start
is "$(jobs 300 drop=inbox unclear=1 wait=60)" "K=300" "a new stage, all unclear: all are found"
once INBOX 304 "none is stored twice"
peer_killed kill INBOX.Kill
kill_imapd() { pgrep -f 'imapd -C' -P "$master_pid" | while read -r p; do kill -9 "$p"; done; }
peer_broken break INBOX.Break kill_imapd
imap_stop
is "$(grep -cE 'imap: (error|panic)' "$scratch/log")" 0 "no error in the log"
peer_plain=plain		# it puts an X in the place of each byte beyond ASCII in a header, and refuses what has none
peer_import inbox Import INBOX.Import
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-local as mailbox_command of a real Postfix.
. "$(dirname "$0")/local_mda.sh"
mda_inside postfix
mda_setup
mda_port=2525
postconf -e myhostname=mail.test mydestination=mail.test inet_interfaces=127.0.0.1 inet_protocols=ipv4 mynetworks=127.0.0.0/8 alias_maps= alias_database= \
	recipient_delimiter=+ local_recipient_maps= "mailbox_command=$d/mda" compatibility_level=3.6 maillog_file=/var/log/postfix.log smtpd_client_restrictions= \
	message_size_limit=0 mailbox_size_limit=0 smtpd_forbid_bare_newline=no smtpd_peername_lookup=no
postconf -Me "2525/inet=2525 inet n - n - - smtpd" "postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd"
for service in $(postconf -M | awk '$5 == "y" { print $1 "/" $2 }'); do postconf -F "$service/chroot=n"; done
postfix start > "$d/start" 2>&1
chain_cleanup() { postfix stop > /dev/null 2>&1; }
mda_queue() { postqueue -p; tail -n 20 /var/log/postfix.log; }
mda_is_deferred() { grep -q 'relay=local.*status=deferred' /var/log/postfix.log; }
mda_flush() { postqueue -f; }
mda_queue_is_empty() { wait_for 10 sh -c 'postqueue -p | grep -q "queue is empty"'; }
wait_for 20 python3 -c 'import socket; socket.create_connection(("127.0.0.1", 2525))' || diag "$(cat "$d/start" /var/log/postfix.log)"
mda_tests Postfix mail.test
for v in SENDER=ddbob@mail.test 'RECIPIENT=ddalice[+]refuse@mail.test' HOME=/home/ddalice USER=ddalice; do [ "$(mda_env "$v")" -ge 1 ]; ok $? "it is told $v"; done
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-local as the mda of a real OpenSMTPD.
. "$(dirname "$0")/local_mda.sh"
mda_inside opensmtpd
mda_setup
mda_port=2525
cat > "$d/smtpd.conf" <<-END
	smtp sub-addr-delim '+'
	smtp max-message-size 100M
	queue ttl 1h
	listen on 127.0.0.1 port 2525 hostname mail.test
	action deliver mda "$d/mda"
	match from any for domain "mail.test" action deliver
	match from any for local action deliver
END
echo mail.test > /etc/mailname
smtpd -d -v -f "$d/smtpd.conf" > "$d/smtpd.log" 2>&1 & smtpd=$!
chain_cleanup() { kill $smtpd; wait $smtpd; } 2>/dev/null
mda_queue() { smtpctl show queue; tail -n 20 "$d/smtpd.log"; }
mda_is_deferred() { grep -q 'delivery evpid=.*result=TempFail' "$d/smtpd.log"; }
mda_flush() { for e in $(smtpctl show queue | cut -d'|' -f1); do smtpctl schedule $e; done > /dev/null 2>&1; }
mda_queue_is_empty() { wait_for 10 sh -c '[ -z "$(smtpctl show queue)" ]'; }
wait_for 20 python3 -c 'import socket; socket.create_connection(("127.0.0.1", 2525))' || diag "$(cat "$d/smtpd.log")"
mda_tests OpenSMTPD mail.test
for v in SENDER=ddbob@mail.test RECIPIENT='ddalice([+]refuse)?@mail.test' 'LOCAL=.*' DOMAIN=mail.test HOME=/home/ddalice USER=ddalice LOGNAME=ddalice; do [ "$(mda_env "$v")" -ge 1 ]; ok $? "it is told $v"; done
done_testing

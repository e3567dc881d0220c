#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The samples of service/conf: every line that is commented out there is put in force, and the stage starts with it.
. "$(dirname "$0")/lib.sh"
need_root
command -v openssl >/dev/null || plan_skip "needs openssl"
getent group deaddrop-mail >/dev/null && group=deaddrop-mail || group=$(id -gn)
mkdir "$scratch/etc" "$scratch/mail" "$scratch/ssl"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2 \
	-keyout "$scratch/ssl/mail.key" -out "$scratch/ssl/mail.pem" 2>/dev/null
cp "$scratch/ssl/mail.pem" "$scratch/ssl/own-ca.pem"
pin=$(openssl x509 -in "$scratch/ssl/mail.pem" -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64)
(umask 077; echo 'frank:{PLAIN}secret' > "$scratch/etc/smtpd.users"; echo secret > "$scratch/etc/frank.pw"; echo secret > "$scratch/etc/relay.pw")
echo 'root: frank' > "$scratch/aliases"

# sample STAGE: all of it in force, with what this host has in place of what it has not
sample() {
	sed -e 's/^#\([a-z}	]\)/\1/; s/^\(		*\)# \([a-z]\)/\1\2/; s/"…"/x/g' "$top/service/conf/$1.conf" | sed -e "s|/var/spool/deaddrop/public/|$scratch/|; s|/var/spool/deaddrop/mail/|$scratch/mail/|; s|/etc/ssl/|$scratch/ssl/|g" \
		-e "s|/etc/deaddrop/|$scratch/etc/|; s|/etc/aliases|$scratch/aliases|; s|deaddrop-mail|$group|; s|/usr/local/bin/to-news -x|/bin/cat|; s|user news|user nobody|" \
		-e "s|sha256//BASE64|sha256//$pin|; s|^listen \(.*\) port 25|listen \1 port 0|" > "$scratch/etc/$1.conf"
	grep -qs ' lo$' /proc/net/if_inet6 || sed -i '/^listen ::1/d' "$scratch/etc/$1.conf"
}
starts() {		# STAGE OPTION...
	name=$1; shift
	sample "$name"
	"$bin/deaddrop-$name" --config "$scratch/etc/$name.conf" --notify-fd 3 "$@" > /dev/null 2> "$scratch/$name.err" 3> "$scratch/$name.ready" < /dev/null &
	pid=$!
	wait_for 5 test -s "$scratch/$name.ready"; ok $? "$name.conf: deaddrop-$name starts with all of it" || diag "$(cat "$scratch/$name.err")"
	kill "$pid" 2>/dev/null; wait "$pid"; is $? 0 "and ends"
	[ ! -s "$scratch/$name.ready" ] && diag "$(cat "$scratch/$name.err")"
}
mkdir "$scratch/journal"
starts local --in "$scratch/local.ctrl"
like "$("$bin/deaddrop-local" --config "$scratch/etc/local.conf" --check 2>&1)" 'configuration is fine' "local.conf: --check"
starts send --spool "$scratch" --in "$scratch/send.ctrl" --out "$scratch/imap.ctrl" --out "$scratch/local.ctrl"
starts imap --in "$scratch/imap.ctrl"
starts remote --in "$scratch/remote.ctrl"
starts smtpd --out "$scratch/queue.ctrl"
like "$(grep -c '^drop' "$scratch/etc/local.conf") $(grep -c '^[a-z]' "$scratch/etc/smtpd.conf") $(grep -c '^[a-z]' "$scratch/etc/send.conf")" '^9 2[0-9] 1[0-9]$' "the samples have that many lines"
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The Debian package on a host of its own (tests/peers): installed, mail through it, upgraded while mail waits, removed, purged.
[ -n "${DEADDROP_INSIDE-}" ] || [ "$(id -u)" != 0 ] || {
	make -s -C "$(dirname "$0")/../.." deb >/dev/null 2>&1
	"$(dirname "$0")/../peers" runit ca-certificates -- env DEADDROP_INSIDE=1 "$0"
	status=$?
	[ $status = 77 ] && { echo "1..0 # SKIP no layer to install into; see above"; exit 0; }
	exit $status
}
. "$(dirname "$0")/lib.sh"
need_root
package=$(echo "$top"/build/deaddrop_*.deb)
[ -f "$package" ] || { ok 1 "make deb"; done_testing; exit 0; }
watcher=''
chain_cleanup() { [ -z "$watcher" ] || kill "$watcher" 2>/dev/null; }

like "$(dpkg-deb -f "$package" Depends)" 'libc6.*libpcre2-8-0.*libssl3' "the package says which libraries it needs"
is "$(dpkg-deb -c "$package" | grep -c '^-[rwx-]*s')" 0 "and brings nothing that is set-uid"
mkdir -p /etc/service
runsvdir -P /etc/service >/dev/null 2>&1 &
watcher=$!
# as an administrator would, on a host that has another mail server: that one goes
install() { apt-get install -y --no-install-recommends --allow-downgrades --reinstall "$package"; }
install > "$scratch/install" 2>&1; ok $? "apt-get install" || diag "$(cat "$scratch/install")"
inbox=/var/spool/deaddrop/mail/inbox
send() { printf 'Subject: %s\n\nx\n' "$1" | /usr/sbin/sendmail root; }
send first; is $? 0 "sendmail takes a message"
wait_for 20 arrived_are 1; ok $? "and it arrives"
is "$(/usr/bin/mailq)" "The queue is empty." "mailq"
man_page=$(zcat /usr/share/man/man8/sendmail.8.gz | head -n 5); like "$man_page" 'DEADDROP-INJECT' "sendmail has its page"

# an upgrade with mail under way: the programs are new ones, and nothing is lost or doubled
sv down deaddrop-local >/dev/null; send second
before=$(pgrep -f '^/usr/sbin/deaddrop-queue ' | head -n 1)
install > "$scratch/upgrade" 2>&1; ok $? "an upgrade" || diag "$(cat "$scratch/upgrade")"
another_queue() { now=$(pgrep -f '^/usr/sbin/deaddrop-queue ' | head -n 1); [ -n "$now" ] && [ "$now" != "$before" ]; }
wait_for 20 another_queue; ok $? "the stages start anew"
sv up deaddrop-local >/dev/null; send third
wait_for 20 arrived_are 3; ok $? "what waited arrives, once"

# other packages there want some mail server, whichever
dpkg --force-depends -r deaddrop > "$scratch/remove" 2>&1; ok $? "dpkg -r" || diag "$(cat "$scratch/remove")"
is "$(pgrep -f '^/usr/sbin/deaddrop-')" '' "nothing of it runs any more"
is "$(arrived) $(ls -d /usr/sbin/sendmail /usr/sbin/deaddrop-* /etc/service/deaddrop-* 2>/dev/null)" '3 ' "mail stays, programs and services go"
dpkg --force-depends -P deaddrop > "$scratch/purge" 2>&1; ok $? "dpkg -P" || diag "$(cat "$scratch/purge")"
is "$(arrived) $(ls -d /etc/deaddrop /var/log/deaddrop 2>/dev/null)" '3 ' "a purge leaves the mail"
like "$(cat "$scratch/purge")" 'left in place' "and says so"
dpkg -i "$package" > "$scratch/again" 2>&1 && rm -f $inbox/new/* && dpkg --force-depends -P deaddrop > "$scratch/purge" 2>&1; ok $? "installed once more, and purged without mail" || diag "$(cat "$scratch/again" "$scratch/purge")"
is "$(grep deaddrop /etc/passwd /etc/group; ls -d /var/spool/deaddrop 2>/dev/null)" '' "nothing is left"
done_testing

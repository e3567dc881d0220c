#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The whole chain into a real Dovecot: sendmail, queue, send and imap, confined and under a supervisor, while imap and Dovecot are killed in mid-append.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/imap_dovecot.sh"
[ -x "$bin/deaddrop-imap" ] || plan_skip "deaddrop-imap is not built"
need_dovecot
many=$tools/bench/submit_many
supervised() {		# what a supervisor does: starts it again, whatever it died of
	while [ ! -e "$scratch/down" ]; do
		"$bin/deaddrop-imap" --in "$chain/imap.ctrl" --config "$scratch/imap.conf" --chroot "$scratch/jail" --user nobody 2>> "$scratch/log/imap" < /dev/null &
		echo $! > "$scratch/imap.pid"
		wait $!
		echo $? >> "$scratch/ends"
	done
}
imap_kill() { kill "-$1" "$(cat "$scratch/imap.pid")"; }
chain_cleanup() { : > "$scratch/down"; [ ! -e "$scratch/imap.pid" ] || imap_kill TERM 2>/dev/null; [ -z "${supervisor:-}" ] || wait "$supervisor"; dovecot_stop; }
ids() { find "$dovecot/mail/frank/Maildir/$1" -type f \( -path '*/new/*' -o -path '*/cur/*' \) -exec sed -n 's/^Received:.* id \([0-9a-f-]*\);$/\1/p' {} + 2>/dev/null | sort; }
there() { [ "$(ids "$1" | wc -l)" -ge "$2" ]; }

dovecot_make
dovecot_start; ok $? "dovecot runs"
printf '%s' "$dovecot_password" > "$scratch/frank.pw"; chmod 0600 "$scratch/frank.pw"
mkdir "$scratch/jail"
cat > "$scratch/imap.conf" <<-END
	drop phone { host localhost; port $imaps_port; ca-file $dovecot/cert.pem; user frank; password-file frank.pw; mailbox "Server/Cron"; create yes }
	drop many { host localhost; port $imaps_port; ca-file $dovecot/cert.pem; user frank; password-file frank.pw; mailbox Many; create yes; connections 2 }
END
chmod 0600 "$scratch/imap.conf"
printf 'route rcpt /^reader@/ to imap:many\nroute all to imap:phone\nretry 1s 1s 1s 1s 1s 2s until 1d\n' > "$scratch/send.conf"
send_options="--out $chain/imap.ctrl --config $scratch/send.conf"
chain_make
supervised & supervisor=$!
wait_for 5 test -S "$chain/imap.ctrl"
for stage in send queue; do stage_start $stage; done
wait_for 5 test -S "$chain/queue.ctrl"

# as cron calls it
printf 'From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> backup\nContent-Type: text/plain; charset=UTF-8\nAuto-Submitted: auto-generated\nX-Cron-Env: <SHELL=/bin/sh>\n\nno space left\n' |
	sendmail -FCronDaemon -i -B8BITMIME -oem root
is $? 0 "cron's message is taken"
cron_there() { [ -n "$(find "$dovecot/mail/frank/Maildir/.Server.Cron" -type f -path '*/new/*')" ]; }
wait_for 20 cron_there
file=$(find "$dovecot/mail/frank/Maildir/.Server.Cron" -type f -path '*/new/*')
is "$(grep -c '^Subject: Cron <root@host> backup' "$file") $(tail -n 1 "$file" | tr -d '\r')" "1 no space left" "it is in Dovecot's mailbox, whole"
like "$(cat "$scratch/log/send")" 'done .*drop=imap:phone' "send's log says so"
is "$(stat -c %U /proc/"$(cat "$scratch/imap.pid")")" nobody "the stage runs as its own user"
is "$(readlink /proc/"$(cat "$scratch/imap.pid")"/root)" "$scratch/jail" "in its chroot"

# kills in mid-append
"$many" "$chain/queue.ctrl" 8 3000 3000 > /dev/null &
many_pid=$!
for round in 1 2 3 4; do
	wait_for 20 there .Many $((round * 400))
	case $round in
	1 | 3) imap_kill KILL ;;
	2) pgrep -f '^dovecot/imap$' -P "$dovecot_pid" | while read -r p; do kill -9 "$p"; done ;;
	4)	# the master first, or it starts a new child that keeps the port
		kill -9 "$dovecot_pid" $(pgrep -P "$dovecot_pid"); wait "$dovecot_pid" 2>/dev/null
		for try in 1 2 3 4 5; do dovecot_start && break; sleep 1; done ;;
	esac
done
wait $many_pid
wait_for 60 there .Many 3000
sleep 1
is "$(ids .Many | wc -l) $(ids .Many | uniq | wc -l)" "3000 3000" "imap killed twice, Dovecot twice: each of 3000 messages exactly once"
is "$(grep -c 137 "$scratch/ends")" 2 "the stage was killed twice"
wait_for 10 spool_is_empty; ok $? "nothing is left in the spool"
imap_kill HUP; sleep 1
is "$(tail -n 1 "$scratch/ends")" 0 "HUP: it ends well, and is started again"
is "$(grep -cE 'imap: (error|panic)' "$scratch/log/imap")" 0 "no error in its log"
done_testing

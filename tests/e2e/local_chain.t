#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Drops of deaddrop-local behind the whole chain: what a program says stands in the bounce, one message to several drops, one user many times at once.
. "$(dirname "$0")/lib.sh"
chain_make
d=$scratch
pid=''
chain_cleanup() { [ -z "$pid" ] || { kill $pid; wait $pid; } 2>/dev/null; }
cat > "$d/local.conf" <<-END
	drop inbox  maildir $d/inbox
	drop list   maildir $d/inbox folder "lists.\$1"
	drop box    mbox    $d/box
	drop mh     mh      $d/mh
	drop refuse pipe    "/bin/sh -c 'cat > /dev/null; echo first words; echo no room for \$EXTENSION; exit 67'" user nobody directory /
	drop later  pipe    "/bin/sh -c 'cat > /dev/null; echo not now; exit 75'" user nobody directory /
END
[ "$(id -u)" = 0 ] || sed -i 's/ user nobody//' "$d/local.conf"
cat > "$d/send.conf" <<-END
	route rcpt /^list-(.*)@/ to local:list/\$1
	route rcpt /^refuse/ to local:refuse
	route rcpt /^later/ to local:later
	route rcpt /^all@/ to local:inbox local:box local:mh
	route rcpt /^box@/ to local:box
	route all to local:inbox
END
"$bin/deaddrop-local" --config "$d/local.conf" --in "$chain/local.ctrl" 2>> "$d/log/local" & pid=$!
send_options="--config $d/send.conf"
for stage in send queue; do stage_start $stage; done; wait_for 5 test -S "$chain/queue.ctrl"
mail() { printf 'Subject: %s\n\nbody of %s\n' "$1" "$1" | sendmail -f frank@host.test "$2"; }
new() { cat "$d/inbox/new/"* 2>/dev/null; }
mail one list-cron@host.test; wait_for 10 sh -c "ls $d/inbox/.lists.cron/new/*"; is "$(cat "$d/inbox/.lists.cron/new/"* | tail -n 1)" "body of one" "a folder by a capture of the route"
mail two list-a.b@host.test; wait_for 15 sh -c "grep -q 'Diagnostic-Code.*a.b' $d/inbox/new/*"
like "$(new)" 'Final-Recipient:.*list-a\.b' "one that is no folder's name comes back"
mail more list-a/x@host.test; wait_for 10 sh -c "grep -q '^body of more' $d/inbox/new/*"
is "$(new | grep -c '^body of more') $(find "$d/inbox" -name '.lists*' | wc -l)" '1 1' "one that would lead out goes where the next route says"
mail three refuse+tag@host.test; wait_for 15 sh -c "grep -q 'no room for tag' $d/inbox/new/*"
like "$(new)" 'Diagnostic-Code:.*no room for tag' "a program's last line stands in the bounce"
like "$(grep -h 'no room for tag' "$d/log/local" "$d/log/send")" 'status=5\.1\.1' "and in the log"
mail four later@host.test; wait_for 10 sh -c "grep -q 'deferred.*not now' $d/log/send"; like "$(mailq)" 'not now' "and what is deferred stands in mailq with it"
mail five all@host.test; wait_for 10 grep -q '^body of five' "$d/box"; wait_for 10 test -e "$d/mh/1"; wait_for 10 sh -c "grep -q '^body of five' $d/inbox/new/*"
is "$(new | grep -c '^body of five') $(grep -c '^body of five' "$d/box") $(cat "$d/mh/"[0-9]* | grep -c '^body of five')" '1 1 1' "one message to three drops at once"
for n in $(seq 16); do mail "many-$n" box@host.test & ps="$ps $!"; done; for p in $ps; do wait $p; done
wait_for 20 sh -c "[ \$(grep -c '^body of many' $d/box) = 16 ]"; is "$(grep '^body of many' "$d/box" | sort -u | wc -l) $(grep -c '^From ' "$d/box")" '16 17' "one user sixteen times at once"
done_testing

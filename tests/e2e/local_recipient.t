#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Deliveries as the recipient: a process that becomes her before it opens anything of hers.
. "$(dirname "$0")/lib.sh"
need_root
bin=${LOCAL_BIN:-$bin} tools=${LOCAL_TOOLS:-$tools}
job=$tools/e2e/local_job
d=$scratch
alice=ddtesta$$ bob=ddtestb$$ system=ddtests$$ group=ddtestg$$ pid=''
groupadd $group && useradd -m -b "$d" -s /bin/sh -G $group $alice && useradd -m -b "$d" -s /bin/sh $bob && useradd -r -m -b "$d" $system || plan_skip "no users can be made"
chmod 700 "$d/$alice" "$d/$bob"
chain_cleanup() { [ -z "$pid" ] || kill $pid 2>/dev/null; for u in $alice $bob $system; do userdel $u 2>/dev/null; done; groupdel $group 2>/dev/null; }
cat > "$d/local.conf" <<-END
	drop user  maildir "~/Maildir" as recipient
	drop list  maildir "~/Maildir" folder "\$1" as recipient
	drop box   mbox    "~/mbox" as recipient
	drop mh    mh      "~/Mail/inbox" as recipient
	drop sys   maildir "~/Maildir" as recipient least-uid 1
	drop prog  pipe    "/bin/sh -c 'cat > \"\$HOME/piped\"; id -u; id -G; pwd; umask; env' " as recipient
	drop log   pipe    "/bin/sh -c 'cat > /dev/null; id -un; id -G; echo done > $d/who; env >> $d/who; id >> $d/who; umask >> $d/who; pwd >> $d/who'" as recipient
END
touch "$d/who"; chmod 666 "$d/who"
printf 'Received: by host with local\n id 17-1;\nSubject: hi\n\nbody\n' > "$d/message"
"$bin/deaddrop-local" --config "$d/local.conf" --in "$d/local.ctrl" --in-mode 0600 --user nobody 2>> "$d/log" & pid=$!
put() { drop=$1; shift; "$job" $options -- "$d/local.ctrl" "$drop" root@host "$@" < "$d/message"; }
options=''
new() { ls "$d/$1/Maildir/new" 2>/dev/null | wc -l; }

is "$(put user $alice@example.org | cut -c1-24)" "K 0 2.0.0 user/new/17637" "a user by the local part of her address"
is "$(stat -c '%U %G %a' "$d/$alice/Maildir/new")" "$alice $alice 2700" "the directories are hers alone"
is "$(stat -c '%U %a' "$d/$alice/Maildir/new/"*)" "$alice 600" "so is the file"
like "$(put user "$alice+lists-x@example.org")" '^K' "an extension"
like "$(put user "$(echo $bob | tr a-z A-Z)@example.org")" '^K' "capitals"
is "$(new $alice) $(new $bob)" '2 1' "each in her own"
is "$(put user nosuch$$@x root@x 'a/b@x' '../x@x' '-x@x' nobody@x | cut -c1-9)" 'X 0 5.1.1
Z 1 4.3.5
X 2 5.1.1
X 3 5.1.1
X 4 5.1.1
Z 5 4.3.5' "nobody else: no such user, uid 0, no name, nobody"
like "$(put user $system@x)" '^Z 0 4\.3\.5' "uids below the least are refused"
like "$(put sys $system@x)" '^K' "and taken where the drop says so"
is "$(put user $alice $bob | cut -c1-9)" 'K 0 2.0.0
K 1 2.0.0' "two recipients at once"
is "$(new $alice) $(new $bob)" '3 2' "one copy each"
is "$(grep -h '^Delivered-To' "$d/$bob/Maildir/new/"* | LC_ALL=C sort -u | tr '\n' ' ')" "Delivered-To: $(echo $bob | tr a-z A-Z)@example.org Delivered-To: $bob " "that names nobody else"
for n in 1 2 3 4 5 6 7 8; do put box $alice > "$d/answer.$n" & ps="$ps $!"; done; for p in $ps; do wait $p; done
is "$(cat "$d"/answer.? | grep -c '^K') $(grep -c '^From ' "$d/$alice/mbox")" '8 8' "one user eight times at once, in one mbox file"
like "$(put list/cron $alice)" '^K 0 2\.0\.0 list/\.cron/new/' "a folder"
like "$(put list/../../x $alice)" '^X 0 5\.1\.3' "and no way out"
put mh $alice > /dev/null; is "$(cat "$d/$alice/Mail/inbox/.mh_sequences")" 'unseen: 1' "MH"
options='-n 4000'; put user $alice > /dev/null; kill $pid; wait $pid
"$bin/deaddrop-local" --config "$d/local.conf" --in "$d/local.ctrl" --in-mode 0600 --user nobody 2>> "$d/log" & pid=$!
mv "$d/$alice/Maildir/new/"*1763712345004000-* "$d/$alice/Maildir/cur/"
options='-u -n 4000'; like "$(put user $alice)" '^K 0 2\.0\.0 found user/cur/' "an unclear attempt looks first"; options=''
head -c 5000000 /dev/zero | tr '\0' 'z' | fold -w 70 > "$d/large"; cat "$d/message" "$d/large" > "$d/both"
is "$("$job" -f "$d/local.ctrl" user root@host $alice $bob < "$d/both" | grep -c '^K')" 2 "a large message to two"
tail -n +7 "$(ls -S "$d/$bob/Maildir/new/"* | head -n 1)" | cmp -s - "$d/large" || tail -c "$(wc -c < "$d/large")" "$(ls -S "$d/$bob/Maildir/new/"* | head -n 1)" | cmp -s - "$d/large"; ok $? "with all its bytes"

# What she is
put log "$alice+ext" > /dev/null
for v in HOME="$d/$alice" USER=$alice LOGNAME=$alice SHELL=/bin/sh EXTENSION=ext RECIPIENT=$alice[+]ext SENDER=root@host "0077" "$d/$alice"; do
	is "$(grep -cE "^$v\$" "$d/who")" 1 "she has $v"
done
is "$(grep '^uid=' "$d/who")" "$(su $alice -c id)" "and her ids and groups"
# the large way round: nothing of root is left
is "$(ps -o uid= -p $pid | tr -d ' ')" "$(id -u nobody)" "the stage itself is nobody"

# One user's tricks
su $alice -c "rm -rf ~/Maildir; ln -s $d/$bob/Maildir ~/Maildir"
before=$(new $bob); like "$(put user $alice)" '^Z 0 4\.3' "a link to somebody else's Maildir"
is "$(new $bob)" "$before" "brings nothing there"
su $alice -c "rm ~/Maildir; mkdir -p ~/Maildir/cur ~/Maildir/tmp; ln -s $d/$bob/Maildir/new ~/Maildir/new"
like "$(put user $alice)" '^Z 0 4\.3' "nor does one below her own"
chmod 755 "$d/$bob"; : > "$d/$bob/file"; chown $bob "$d/$bob/file"; chmod 666 "$d/$bob/file"
sysctl -n fs.protected_hardlinks > /dev/null 2>&1
ln "$d/$bob/file" "$d/$alice/hard" && chown -h $alice "$d/$alice"; su $alice -c "rm -f ~/mbox"; mv "$d/$alice/hard" "$d/$alice/mbox"
like "$(put box $alice)" '^Z 0 4\.3' "nor a hard link"
is "$(wc -c < "$d/$bob/file")" 0 "to a file of hers"
su $alice -c "rm -rf ~/mbox; ln -s $d/$bob/file ~/mbox"; put box $alice > /dev/null; is "$(wc -c < "$d/$bob/file")" 0 "nor a link to it"
chmod 000 "$d/$bob"; like "$(put user $bob)" '^Z' "a HOME that she may not enter"
kill $pid; wait $pid; is $? 0 "TERM: it ends well"; pid=''
setpriv --reuid nobody --regid nogroup --clear-groups "$bin/deaddrop-local" --config "$d/local.conf" --in "$d/x.ctrl" 2> "$d/err"; is $? 78 "without root it does not start"
like "$(cat "$d/err")" 'root' "and says why"
"$bin/deaddrop-local" --config "$d/local.conf" --check > /dev/null; is $? 0 "--check"
done_testing

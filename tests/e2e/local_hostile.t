#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What a recipient, a sender or another program may put in the way of a delivery: later or never, nobody else's file touched, nothing lost, and the stage lives on.
. "$(dirname "$0")/lib.sh"
need_root
command -v python3 >/dev/null 2>&1 || plan_skip "no python3"
bin=${LOCAL_BIN:-$bin} tools=${LOCAL_TOOLS:-$tools}
job=$tools/e2e/local_job
d=$scratch
alice=ddtesth$$ bob=ddtesti$$ pid='' racer=''
useradd -m -b "$d" -s /bin/sh $alice && useradd -m -b "$d" -s /bin/sh $bob || plan_skip "no users can be made"
chmod 711 "$d/$alice" "$d/$bob"
chain_cleanup() {
	[ -z "$racer" ] || { kill $racer; wait $racer; } 2>/dev/null
	[ -z "$pid" ] || { kill $pid; wait $pid; } 2>/dev/null
	userdel $alice 2>/dev/null; userdel $bob 2>/dev/null
}
mkdir "$d/box"; chown nobody "$d/box"
cat > "$d/local.conf" <<-END
	drop maildir maildir $d/box/maildir
	drop mh      mh      $d/box/mh
	drop mbox    mbox    $d/box/boxes folder "\$1" lock 2s
	drop append  append  $d/box/raw folder "\$1" lock 2s
	drop files   files   $d/box/files folder "\$1"
	drop long    maildir $d/box/long folder "prefix.\$1" nested yes
	drop user    maildir "~/Maildir" as recipient
	drop userbox mbox    "~/mbox" as recipient lock 2s
	drop usermh  mh      "~/mh" as recipient
	drop prog    pipe    "/bin/sh -c 'cat > /dev/null; printf %s \"\$RECIPIENT\" | wc -c'" user nobody directory /
END
printf 'Received: by host with local\n id 17-1;\nSubject: hi\n\nbody\n' > "$d/message"
begin() { "$bin/deaddrop-local" --config "$d/local.conf" --in "$d/local.ctrl" --user nobody 2>> "$d/log" & pid=$!; }
options=''
put() { drop=$1; shift; "$job" $options -- "$d/local.ctrl" "$drop" root@host "$@" < "$d/message" 2>&1; }
begin; first=$pid

# Races: she changes what is there as fast as she can, while she gets mail
race() { su $alice -c "$1" > /dev/null 2>&1 & racer=$!; }
end_race() { touch "$d/stop"; wait $racer 2>/dev/null; racer=''; rm -f "$d/stop"; }
# Each goes as far as her own rights do: these are bob's, and what any step did as root would show.
su $bob -c 'mkdir -m 755 ~/open ~/open/new ~/open/tmp ~/open/cur; echo precious > ~/file; chmod 644 ~/file'
race "while [ ! -e $d/stop ]; do rm -rf ~/Maildir; ln -s $d/$bob/open ~/Maildir; rm -f ~/Maildir; mkdir ~/Maildir ~/Maildir/tmp ~/Maildir/cur; ln -s $d/$bob/open/new ~/Maildir/new; rm -rf ~/Maildir; done"
for n in $(seq 60); do put user $alice; done > "$d/answers"
end_race
is "$(grep -vcE '^(K|Z 0 4\.)' "$d/answers") $(find "$d/$bob/open" -type f | wc -l)" '0 0' "links that come and go in a Maildir: done or later, and nothing in somebody else's ($(grep -c ^K "$d/answers") done)"
race "while [ ! -e $d/stop ]; do ln -sf $d/$bob/file ~/mbox; rm -f ~/mbox; ln $d/$bob/file ~/mbox; rm -f ~/mbox; mkfifo ~/mbox; rm -f ~/mbox; : > ~/mbox; rm -f ~/mbox; ln -s $d/$bob/file ~/mbox.lock; rm -f ~/mbox.lock; done"
for n in $(seq 60); do put userbox $alice; done > "$d/answers"
end_race
is "$(grep -vcE '^(K|Z 0 4\.)' "$d/answers") $(cat "$d/$bob/file")" '0 precious' "and in place of an mbox file and its lock ($(grep -c ^K "$d/answers") done)"
race "while [ ! -e $d/stop ]; do rm -rf ~/mh; ln -s $d/$bob/open ~/mh; rm -f ~/mh; mkdir ~/mh; ln -s $d/$bob/file ~/mh/.mh_sequences; rm -rf ~/mh; done"
for n in $(seq 60); do put usermh $alice; done > "$d/answers"
end_race
is "$(grep -vcE '^(K|Z 0 4\.)' "$d/answers") $(cat "$d/$bob/file") $(find "$d/$bob/open" -type f | wc -l)" '0 precious 0' "and of an MH folder and its sequences ($(grep -c ^K "$d/answers") done)"
rm -rf "$d/$alice/Maildir" "$d/$alice/mbox"* "$d/$alice/mh"
for drop in user userbox usermh; do like "$(put $drop $alice)" '^K' "$drop: afterwards it arrives"; done

# What is no mailbox
mkdir -p "$d/box/boxes/dir" "$d/box/raw/dir"; mkfifo "$d/box/boxes/fifo" "$d/box/raw/fifo"; mknod "$d/box/boxes/null" c 1 3; mknod "$d/box/raw/null" c 1 3
python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('$d/box/boxes/socket')"
chown -R nobody "$d/box"
for what in dir fifo null socket; do before=$(date +%s); like "$(put mbox/$what frank)" '^Z 0 4\.' "mbox: a $what in its place"; [ $(($(date +%s) - before)) -lt 2 ]; ok $? "at once"; done
for what in dir fifo null; do like "$(put append/$what frank)" '^Z 0 4\.' "append: a $what in its place"; done
mkdir -p "$d/box/maildir/tmp" "$d/box/maildir/cur"; rm -rf "$d/box/maildir/new"; : > "$d/box/maildir/new"; chown -R nobody "$d/box/maildir"; like "$(put maildir frank)" '^Z 0 4\.' "maildir: a file in place of new"; rm "$d/box/maildir/new"
rm -rf "$d/box/files"; : > "$d/box/files"; like "$(put files/x frank)" '^Z 0 4\.' "files: a file in place of the directory"; rm "$d/box/files"; mkdir "$d/box/files"; chown nobody "$d/box/files"; kill $pid; wait $pid; begin; first=$pid
mkdir "$d/box/boxes/private"; chmod 000 "$d/box/boxes/private"; like "$(put mbox/private frank)" '^Z 0 4\.' "what may not be entered"
: > "$d/box/boxes/others"; chmod 600 "$d/box/boxes/others"; like "$(put mbox/others frank)" '^Z 0 4\.' "somebody else's, who lets nobody write"
chmod 000 "$d/$alice"; for drop in user userbox usermh; do like "$(put $drop $alice)" '^(K|Z 0 4\.)' "$drop: a HOME that nobody may enter"; done; chmod 711 "$d/$alice"
wait_for 5 usermod -d /no/such/home $alice; like "$(put user $alice)" '^Z 0 4\.' "a HOME that is not there"; wait_for 5 usermod -d "$d/$alice" $alice
is "$(stat -c '%U' "$d/$alice")" $alice "and none is made"

# MH: a folder that somebody fills
put mh frank > /dev/null
{ printf 'cur: 1\nunseen: '; seq 1 2 1500000 | tr '\n' ' '; echo; } > "$d/box/mh/.mh_sequences"; chown nobody "$d/box/mh/.mh_sequences"; size=$(stat -c %s "$d/box/mh/.mh_sequences")
like "$(put mh frank)" '^K' "MH: sequences of $size bytes"
is "$(stat -c %s "$d/box/mh/.mh_sequences")" "$size" "are left alone, being more than 4 MB"
head -c 3000000 /dev/urandom > "$d/box/mh/.mh_sequences"; like "$(put mh frank)" '^K' "sequences that are none"
rm "$d/box/mh/.mh_sequences"; mkdir "$d/box/mh/.mh_sequences"; like "$(put mh frank)" '^K' "a directory in their place"; rmdir "$d/box/mh/.mh_sequences"
mkfifo "$d/box/mh/.mh_sequences"; chown nobody "$d/box/mh/.mh_sequences"; before=$(date +%s); like "$(put mh frank)" '^K' "a FIFO in their place"; [ $(($(date +%s) - before)) -lt 3 ]; ok $? "does not hold it up"; rm "$d/box/mh/.mh_sequences"
touch "$d/box/mh/999999998"; is "$(put mh frank | cut -c1-24)" 'K 0 2.0.0 mh/999999999' "the last number there is"
like "$(put mh frank)" '^Z 0 4\.' "behind it there is none"; rm "$d/box/mh/99999999"?
touch "$d/box/mh/0007" "$d/box/mh/99999999999999999999" "$d/box/mh/-5" "$d/box/mh/1x"; like "$(put mh frank)" '^K 0 2\.0\.0 mh/[1-9]$' "names that are no numbers are passed over"

# Locks that others left
lock() { printf '%s' "$2" > "$d/box/boxes/$1.lock"; chown nobody "$d/box/boxes/$1.lock"; }
note() { printf 'deaddrop-local %s %020d\n' "$1" "$(python3 -c 'import time; print(int((time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)) * 1e6))')" > "$d/box/boxes/ours.lock"; chown nobody "$d/box/boxes/ours.lock"; }
lock pid 2147483646; like "$(put mbox/pid frank)" '^Z 0 4\.2\.0' "a dot lock by a pid that is dead, but fresh: it may be another host's"
lock host "4711@elsewhere.example"; like "$(put mbox/host frank)" '^Z 0 4\.2\.0' "another host's"
touch -d '6 minutes ago' "$d/box/boxes/pid.lock" "$d/box/boxes/host.lock"
like "$(put mbox/pid frank)$(put mbox/host frank)" '^K.*' "both are stale after five minutes"; is "$(ls "$d/box/boxes" | grep -c lock)" 0 "and gone"
note 00000000000000000000; like "$(put mbox/ours frank)" '^K' "one of ours whose holder is dead"; is "$(grep -c '^From ' "$d/box/boxes/ours")" 1 "is taken over at once"
note 00000000000000000001; put mbox/ours frank > /dev/null; is "$(grep -c '^From ' "$d/box/boxes/ours")" 2 "one that points into somebody's message cuts nothing off" || diag "$(cat "$d/box/boxes/ours")"
note 99999999999999999999; like "$(put mbox/ours frank)" '^(K|Z 0 4\.2\.0)' "one that makes no sense"; rm -f "$d/box/boxes/ours.lock"
mkdir "$d/box/boxes/dir.lock"; rmdir "$d/box/boxes/dir"; like "$(put mbox/dir frank)" '^Z 0 4\.' "a directory in place of the lock"
ln -s "$d/$bob/file" "$d/box/boxes/sym.lock"; like "$(put mbox/sym frank)" '^Z 0 4\.' "a link in place of the lock"; is "$(cat "$d/$bob/file")" precious "is not followed"

# Locks of fcntl, and a writer who is slow
hold() { python3 -c 'import fcntl, sys, time; f = open(sys.argv[1], "r+b"); fcntl.lockf(f, fcntl.LOCK_EX); print("held", flush=True); time.sleep(float(sys.argv[2]))' "$1" "$2" > "$d/held" & racer=$!; wait_for 5 test -s "$d/held"; }
put mbox/held frank > /dev/null; hold "$d/box/boxes/held" 20; before=$(date +%s)
like "$(put mbox/held frank)" '^Z 0 4\.2\.0' "an mbox file that somebody has locked by fcntl for too long"; [ $(($(date +%s) - before)) -lt 5 ]; ok $? "is later, in time"
is "$(ls "$d/box/boxes" | grep -c 'held.lock')" 0 "and no dot lock is left"; { kill $racer; wait $racer; } 2> /dev/null
: > "$d/held"; hold "$d/box/boxes/held" 0.5; like "$(put mbox/held frank)" '^K' "for a moment: it is waited for"; wait $racer
printf 'unseen: 1\n' > "$d/box/mh/.mh_sequences"; chown nobody "$d/box/mh/.mh_sequences"; : > "$d/held"; hold "$d/box/mh/.mh_sequences" 20
like "$(put mh frank)" '^K' "MH: sequences that somebody has locked"; is "$(cat "$d/box/mh/.mh_sequences")" 'unseen: 1' "are left as they are"; { kill $racer; wait $racer; } 2> /dev/null; racer=''
( cat "$d/message"; head -c 300000 /dev/zero | tr '\0' 'x' | fold -w 70; sleep 3; echo end ) | "$bin/deaddrop-local" --mbox "$d/slow" & slow=$!
sleep 1; before=$(date +%s); "$bin/deaddrop-local" --mbox "$d/slow" < "$d/message"; is "$? $(($(date +%s) - before < 2))" '0 1' "no lock is held while a message is still coming"
wait $slow; is "$(grep -c '^From ' "$d/slow") $(grep -c '^x*end$' "$d/slow")" '2 1' "and both are there"

# Names
options='-n 4200'; put maildir frank > "$d/a1"; kill $pid; wait $pid; begin; first=$pid; put maildir frank > "$d/a2"; options=''
like "$(cat "$d/a2")" '^K 0 2\.0\.0 already there: maildir/new/' "the same key again: the message is there once"
is "$(ls "$d/box/maildir/new" | grep -c '1763712345004200-')" 1 "once"
file=$(ls "$d/box/maildir/new" | grep '1763712345004200-'); mkdir "$d/box/maildir/tmp/$(echo "$file" | sed 's/4200/4300/g')" 2>/dev/null
wide=$(printf '%0190d' 0); like "$(put long/$wide frank)" '^K' "a folder's name of 197 bytes"
like "$(put long/$(printf '%0194d' 0) frank)" '^X 0 5\.1\.3' "of 201"
like "$(put mbox/$(printf '%0200d' 0) frank)" '^K' "an mbox file's of 200, with its lock beside it"
like "$(put files/$(printf '%0200d' 0) frank)" '^K' "a directory's of 200"
like "$(put "files/a b\$(x);'\"\`*?\\&|<>" frank)" '^K' "a name with all a shell knows is a name"
[ -d "$d/box/files/a b\$(x);'\"\`*?\\&|<>" ]; ok $? "as it was given"

# Addresses
for bad in 'a$(touch '"$d"'/pwned)' '`touch '"$d"'/pwned`' "x;touch $d/pwned" '../../etc/passwd' '/etc/passwd' '~root' '~' "$alice/../$bob" "+$alice" "-$alice" ".$alice" '$HOME' '%s%n' '*' "$alice:x" "$alice$(printf '\351')"; do
	like "$(put user "$bad@host")" '^X 0 5\.1\.1 no such user' "no user: $bad"
done
[ ! -e "$d/pwned" ]; ok $? "none of them ran"
long=$(head -c 900 /dev/zero | tr '\0' 'a')
like "$(put user "$alice+$long@host")" '^[KXZ] ' "an extension of 900 bytes has an answer"
like "$(put user "$long@host")" '^X 0 5\.1\.1' "a user's name of 900 bytes is none"
like "$(put maildir "$long@host")" '^K' "and in Delivered-To it is"
like "$(put prog "$long@host")" '^(K 0 2\.0\.0 exit 0: 905|Z 0 4\.)' "and in a program's environment"
huge=$(head -c 10000 /dev/zero | tr '\0' 'a')
put maildir "$huge@host" > "$d/answer"; is "$?" 2 "a local part of 10,000 bytes: its connection is ended"
like "$(put maildir frank)" '^K' "others are served after that"
( SENDER='' RECIPIENT="$huge@host" "$bin/deaddrop-local" --maildir "$d/hand" < "$d/message" 2> /dev/null ); is $? 65 "by hand it is 65"
RECIPIENT="$(printf 'x\033[2J\nX: y')" "$bin/deaddrop-local" --maildir "$d/hand" < "$d/message" 2> /dev/null; is $? 65 "control characters too"
kill -0 $first; ok $? "the stage has lived through it all"
kill $pid; wait $pid; is $? 0 "and ends well"; pid=''
done_testing

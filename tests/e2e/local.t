#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-local: each kind of drop as a stage and by hand, programs that misbehave, readers of others.
. "$(dirname "$0")/lib.sh"
bin=${LOCAL_BIN:-$bin} tools=${LOCAL_TOOLS:-$tools}
job=$tools/e2e/local_job
d=$scratch
export TZ=UTC
cat > "$d/prog" <<-'END'
	#!/bin/sh
	case $LOCAL in
	hang) trap '' TERM; echo hanging; sleep 600 ;;
	slow) sleep 600 ;;
	flood) exec yes ;;
	kill) kill -KILL $$ ;;
	segv) kill -SEGV $$ ;;
	deaf) exec <&-; echo 'first line'; echo; echo 'last line'; exit 0 ;;
	child) cat > /dev/null; sleep 600 & exit 0 ;;
	env) cat > "$OUT/env.in"; env > "$OUT/env" ;;
	cat) cat > "$OUT/cat" ;;
	greedy) exec python3 -c 'x = bytearray(600 << 20)' ;;
	count) cat > /dev/null; mkdir "$OUT/c.$$"; ls -d "$OUT"/c.* | wc -l >> "$OUT/counts"; sleep 0.3; rmdir "$OUT/c.$$" ;;
	*) cat > /dev/null; exit "$LOCAL" ;;
	esac
END
sed -i "2i OUT=$d/out" "$d/prog"
chmod +x "$d/prog"; mkdir "$d/out"; chmod 777 "$d/out"
pipe_user=''; [ "$(id -u)" != 0 ] || pipe_user='user nobody'
cat > "$d/local.conf" <<-END
	drop inbox   maildir $d/box/maildir
	drop list    maildir $d/box/maildir folder "\$1"
	drop mbox    mbox    $d/box/mbox lock 2s
	drop mboxo   mbox    $d/box/mboxo quote mboxo
	drop each    mbox    $d/box/each folder "\$1"
	drop mh      mh      $d/box/mh folder inbox
	drop quiet   mh      $d/box/mh folder quiet unseen ""
	drop raw     append  $d/box/raw
	drop files   files   $d/box/files mode 0640
	drop null    discard
	drop prog    pipe    "$d/prog" timeout 2s output 200K memory 300M $pipe_user directory /
	drop from    pipe    "$d/prog" from yes $pipe_user directory /
	drop few     pipe    $d/prog at-once 2 $pipe_user directory /
	drop none    pipe    "/no/such/program" $pipe_user directory /
	drop nowhere pipe    /bin/true $pipe_user directory /no/such/directory
END
mkdir "$d/box"
stage() { "$bin/deaddrop-local" --config "$d/local.conf" --in "$d/local.ctrl" "$@" 2>> "$d/log" & pid=$!; }
chain_cleanup() { [ -z "$pid" ] || kill $pid 2>/dev/null; }
send() { "$job" "$@" > "$d/answer" < "$d/message"; cat "$d/answer"; }	# send [OPTION…] DROP RECIPIENT…
put() { drop=$1; shift; "$job" $options "$d/local.ctrl" "$drop" root@host "$@" < "$d/message" > "$d/answer"; cat "$d/answer"; }
options=''
printf 'Received: by host with local\n id 17-1;\nSubject: hi\n\nFrom me\n>From you\n' > "$d/message"

"$bin/deaddrop-local" --config "$d/local.conf" --check > /dev/null 2> "$d/err"; is "$?" 78 "--check finds the program that is not there"
like "$(cat "$d/err")" '/no/such/program' "and names it"
stage

# Each kind
like "$(put inbox frank)" '^K 0 2\.0\.0 inbox/new/' "maildir"
like "$(put list/cron frank)" '^K 0 2\.0\.0 list/\.cron/new/' "maildir: a folder"
for bad in list/.. list/a/b list/.x list/-x list/ "list/a.b"; do like "$(put "$bad" frank)" '^X 0 5\.1\.3' "no way out: $bad"; done
is "$(put mbox frank)" 'K 0 2.0.0 mbox at 0' "mbox"
is "$(cat "$d/box/mbox")" "From root@host Fri Nov 21 08:05:45 2025
Return-Path: <root@host>
Delivered-To: frank
Received: by host with local
 id 17-1;
Subject: hi

>From me
>>From you" "mboxrd quoting"
put mboxo frank > /dev/null; is "$(tail -n 3 "$d/box/mboxo")" '>From me
>From you' "mboxo quoting" 
is "$(put each/x frank)" 'K 0 2.0.0 each/x at 0' "a directory of mbox files"
is "$(put mh frank; put mh bob)" 'K 0 2.0.0 mh/inbox/1
K 0 2.0.0 mh/inbox/2' "mh: the next number"
is "$(cat "$d/box/mh/inbox/.mh_sequences")" 'unseen: 1-2' "mh: the sequence"
: > "$d/box/mh/inbox/7"; mkdir "$d/box/mh/inbox/8"; : > "$d/box/mh/inbox/x9"
is "$(put mh frank)" 'K 0 2.0.0 mh/inbox/9' "mh: behind the highest number, a directory's too"
rm "$d/box/mh/inbox/7"; rmdir "$d/box/mh/inbox/8"
put quiet frank > /dev/null; is "$(ls -A "$d/box/mh/quiet")" 1 "mh without a sequence"
put raw frank > /dev/null; put raw frank > /dev/null
cat "$d/message" "$d/message" | cmp -s - "$d/box/raw"; ok $? "append: the bare messages"
like "$(put files frank)" '^K 0 2\.0\.0 files/1763712345\.' "a file for each"
is "$(find "$d/box/files" -name '1763*' -perm 0640 | wc -l) $(ls -A "$d/box/files" | wc -l)" '1 1' "with the drop's mode, and nothing else"
is "$(put null frank)" 'K 0 2.0.0 discarded' "discard"
like "$(put nix frank)" '^Z 0 4\.3\.5 no drop named nix' "a drop that is not there"
like "$(put inbox/x frank)" '^Z 0 4\.3\.5' "an argument that the drop does not take"

# Unclear attempts look first
n=1
for drop in inbox mbox mh raw files; do
	options='-n 5000'; put $drop frank > /dev/null
	kill $pid; wait $pid; stage; wait_for 5 test -S "$d/local.ctrl"
	options='-u -n 5000'; like "$(put $drop frank)" '^K 0 2\.0\.0 found ' "$drop: an unclear attempt finds what is there"
	options='-u -n 6000'
	n=$((n + 1)); sed -i "s/ id .*;/ id 17-$n;/" "$d/message"
	like "$(put $drop frank)" '^K 0 2\.0\.0 [^f ]*[^ ]*( at .*)?$' "$drop: and not what is not"
done
options=''

# Large ones, and a descriptor
{ cat "$d/message"; head -c 30000000 /dev/zero | tr '\0' 'y' | fold -w 77; } > "$d/large"; cp "$d/message" "$d/small"; cp "$d/large" "$d/message"
for drop in inbox mbox mh raw files prog; do
	options='-f -n 7000'; like "$(put $drop cat)" '^K 0' "$drop: a message of 30 MB"
done
tail -n +4 "$d/large" > "$d/tail"
for f in "$d/box/maildir/new/"*1763712345007000-* "$d/box/mh/inbox/12" "$d/box/raw" "$d/box/files/"*1763712345007000-* "$d/out/cat"; do
	tail -c "$(wc -c < "$d/tail")" "$f" | cmp -s - "$d/tail"; ok $? "$(basename "$(dirname "$f")"): with all its bytes"
done

# Signs of life, where somebody wants them: with each step of what takes several, and while a wait has an end
for drop in inbox mbox mh raw files; do
	options='-f -t 0 -n 7100'; put $drop frank | sort | uniq -c | tr -s ' ' > "$d/lives"
	like "$(tr '\n' ',' < "$d/lives")" '^ 1 K 0 2\.0\.0 [^,]*, ([2-9]|[0-9]{2,}) Y,$' "$drop: signs of life of a message of 30 MB"
done
cp "$d/small" "$d/message"; options='-t 0'
is "$(put inbox frank | grep -c Y)" 0 "none of a small one"
truncate -s 100M "$d/box/mboxo"; options='-u -t 0'
[ "$(put mboxo frank | grep -c Y)" -ge 10 ]; ok $? "while a large mbox file is looked through"; rm "$d/box/mboxo"
touch "$d/box/mbox.lock"; options='-u -t 1'; put mbox frank > /dev/null
[ "$(grep -c '^Y' "$d/answer")" -ge 5 ]; ok $? "while somebody else has the file locked, for as long as that is waited for"
is "$(tail -n 1 "$d/answer" | cut -c 1-9)" 'Z 0 4.2.0' "then it is later, and as unclear as it was"; rm "$d/box/mbox.lock"
options='-t 1'; like "$(put prog slow | tr '\n' ,)" '^(Y,){1,3}Z 0 4\.3\.0 it took too long and was ended,$' "while a program runs, for as long as it may"
options=''

# Programs
seq 0 99 > "$d/codes"; put prog $(seq 0 99) > "$d/codes.0"; put prog $(seq 100 199) > "$d/codes.1"; put prog $(seq 200 255) > "$d/codes.2"
cat "$d/codes.0" "$d/codes.1" "$d/codes.2" | awk '{ split($5, code, ":"); print code[1], $1, $3 }' | sort -n > "$d/verdicts"
is "$(wc -l < "$d/verdicts")" 256 "every exit code has an answer"
is "$(grep ' K ' "$d/verdicts" | tr '\n' ,)" '0 K 2.0.0,' "0 alone is done"
is "$(grep ' X ' "$d/verdicts" | tr '\n' ,)" '65 X 5.6.0,67 X 5.1.1,68 X 5.1.2,69 X 5.3.0,77 X 5.7.0,100 X 5.3.0,' "these are never"
is "$(grep ' Z ' "$d/verdicts" | wc -l)" 249 "all others are later"
like "$(put prog kill)" '^Z 0 4\.3\.0 ended by signal 9' "one that dies of a signal"
like "$(put prog segv)" '^Z 0 4\.3\.0 ended by signal 11' "of another"
is "$(put prog deaf)" 'K 0 2.0.0 exit 0: last line' "one that does not read; its last line"
cp "$d/large" "$d/message"; options=-f; is "$(put prog deaf)" 'K 0 2.0.0 exit 0: last line' "nor a large message"; options=''; cp "$d/small" "$d/message"
is "$(put prog slow)" 'Z 0 4.3.0 it took too long and was ended' "one that takes too long"
before=$(date +%s); is "$(put prog hang)" 'Z 0 4.3.0 it took too long and was ended' "one that does not want to end"
[ $(($(date +%s) - before)) -lt 12 ]; ok $? "is ended all the same"
is "$(put prog flood)" 'Z 0 4.3.0 it said too much and was ended' "one that floods"
before=$(date +%s); like "$(put prog child)" '^K 0' "one whose child lives on"
[ $(($(date +%s) - before)) -lt 5 ]; ok $? "is not waited for"
like "$(put prog greedy)" '^Z 0' "one that wants more memory than it may have"
like "$(put none x)" '^Z 0 4\.3\.' "one that is not there"
like "$(put nowhere x)" '^Z 0 4\.3\..*/bin/true, started in /no/such/directory: No such file' "one whose directory is not there, which is named"
echo "drop nowhere pipe /bin/true $pipe_user directory /no/such/directory" > "$d/nowhere.conf"
"$bin/deaddrop-local" --config "$d/nowhere.conf" --check > /dev/null 2> "$d/err"; is $? 78 "--check finds it too"
like "$(cat "$d/err")" 'working directory /no/such/directory: No such file.*name another' "and says what to do"
pgrep -f "$d/prog" > "$d/left" 2>/dev/null; is "$(cat "$d/left")" '' "none of them is left" || ps ax | grep "$d/prog" >&2
options='-o old+tag@example.org'; put prog env > /dev/null; options=''
sed -i 's/case $LOCAL in/case ${RECIPIENT%%[+@]*} in/' "$d/prog"
"$job" -o 'old+tag@example.org' "$d/local.ctrl" prog '' 'env+ext+x@example.net' < "$d/message" > /dev/null
for v in SENDER= 'RECIPIENT=env[+]ext[+]x@example.net' 'LOCAL=old[+]tag' DOMAIN=example.org 'EXTENSION=ext[+]x' 'HOME=.*' 'USER=.*' 'LOGNAME=.*' 'SHELL=.*' PATH=/usr/local/bin:/usr/bin:/bin 'DEADDROP_ID=[0-9a-f-]*'; do
	is "$(grep -cE "^$v\$" "$d/out/env")" 1 "environment: $v"
done
is "$(head -n 2 "$d/out/env.in")" 'Return-Path: <>
Delivered-To: env+ext+x@example.net' "its input"
put from env > /dev/null; is "$(head -n 1 "$d/out/env.in")" 'From root@host Fri Nov 21 08:05:45 2025' "with a From_ line where it is wanted"
for bad in 'a$(touch '"$d"'/pwned)@x' 'a`touch '"$d"'/pwned`@x' "a';touch $d/pwned;'@x" '() { :;}; touch pwned'; do put prog "$bad" > /dev/null; done
[ ! -e "$d/pwned" ]; ok $? "no address is anybody's command"
put few count+1 count+2 count+3 count+4 count+5 count+6 > "$d/few"
is "$(grep -c "^K" "$d/few") $(sort -n "$d/out/counts" | tail -n 1 | tr -d ' ')" '6 2' "two at once and no more"

# A program that hangs holds up nobody else
( put prog slow > /dev/null ) & slow=$!
sleep 0.2; before=$(date +%s%N); like "$(put inbox frank)" '^K' "meanwhile others are served"
[ $(( ($(date +%s%N) - before) / 1000000 )) -lt 1000 ]; ok $? "at once"
wait $slow
# nor does a locked mailbox
: > "$d/box/mbox.lock"
( "$job" "$d/local.ctrl" mbox root frank < "$d/message" > "$d/locked" ) & slow=$!
sleep 0.2; like "$(put inbox frank)" '^K' "so they are while somebody has an mbox locked"
wait $slow; like "$(cat "$d/locked")" '^Z 0 4\.2\.0 .*locked' "who waits for the lock in vain is told later"
touch -d '10 minutes ago' "$d/box/mbox.lock"; like "$(put mbox frank)" '^K' "a stale lock is passed over"
[ ! -e "$d/box/mbox.lock" ]; ok $? "and gone"

# Files that are not what they should be
ln "$d/box/each/x" "$d/box/each/twin"; like "$(put each/twin frank)" '^Z 0 4\.3' "a file of two names"
rm "$d/box/each/twin"; ln -s "$d/secret" "$d/box/each/link"; like "$(put each/link frank)" '^Z 0 4\.3\.5' "a link"; [ ! -e "$d/secret" ]; ok $? "is not followed"
mkfifo "$d/box/each/fifo"; like "$(put each/fifo frank)" '^Z 0 4\.3' "a FIFO does not block"
rm -r "$d/box/maildir"; mkdir "$d/elsewhere"; ln -s "$d/elsewhere" "$d/box/maildir"
kill $pid; wait $pid; is $? 0 "TERM: it ends well"; pid=''
like "$(grep -cE ' (done|later|never) ' "$d/log")" '^[0-9]{3}' "each outcome is a line of the log"
like "$(grep 'rcpt=<deaf>' "$d/log")" '"exit 0: last line"' "with the program's last line"

# --sync fs
rm -f "$d/box/maildir"; stage --sync fs
for drop in inbox mh files mbox; do is "$("$job" -c 50 "$d/local.ctrl" $drop root frank < "$d/message" | grep -c '^K')" 50 "$drop: --sync fs"; done
kill $pid; wait $pid; pid=''
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
	strace -f -e trace=fsync,syncfs -o "$d/trace" "$bin/deaddrop-local" --inbox "$d/box/traced" --in "$d/local.ctrl" --sync fs 2>/dev/null & pid=$!
	"$job" -c 60 "$d/local.ctrl" inbox root frank < "$d/message" > /dev/null
	pkill -P $pid 2>/dev/null; wait $pid 2>/dev/null; pid=''
	calls=$(grep -c syncfs "$d/trace"); [ "$calls" -ge 1 ] && [ "$calls" -le 20 ]; ok $? "one syncfs a batch ($calls for 60 messages)"
	# waiting together: one sync for each message, and few for the directory; a large one is copied within the kernel; file systems that cannot rename without replacing
	tracing() { grep -q 'TracerPid:.[1-9]' "/proc/$pid/status"; }
	traced() { rm -f "$d/local.ctrl"; "$bin/deaddrop-local" --sandbox=off --config "$d/local.conf" --in "$d/local.ctrl" 2>> "$d/log" & pid=$!; strace -f -qq -p $pid -o "$d/trace" "$@" 2>/dev/null & tracer=$!; wait_for 5 tracing; }
	end_traced() { kill $pid; wait $pid 2>/dev/null; wait $tracer 2>/dev/null; pid=''; }
	traced -e trace=fsync; "$job" -c 60 -n 88000 "$d/local.ctrl" inbox root frank < "$d/message" > /dev/null; end_traced
	calls=$(grep -c 'fsync(' "$d/trace"); [ "$calls" -ge 61 ] && [ "$calls" -le 80 ]; ok $? "$calls syncs for 60 messages that wait together"
	cp "$d/large" "$d/message"; traced -e trace=copy_file_range; for k in inbox mh files; do put_large=$("$job" -f -n 88100 "$d/local.ctrl" $k root frank < "$d/message"); like "$put_large" '^K' "$k: a large message, traced"; done; end_traced; cp "$d/small" "$d/message"
	[ "$(grep -c 'copy_file_range.*= [1-9]' "$d/trace")" -ge 3 ]; ok $? "is copied by copy_file_range"
	traced -e inject=renameat2:error=EINVAL
	for k in inbox files; do like "$("$job" -n 88200 "$d/local.ctrl" $k root frank < "$d/message")" '^K 0 2\.0\.0 (inbox/new|files)/' "$k: where files cannot be renamed without replacing they are linked"; done
	end_traced
	is "$(find "$d/box/maildir/tmp" -type f -name '*88200-*' -o -path "$d/box/files/.*" | wc -l) $(find "$d/box/maildir/new" "$d/box/files" -type f -name '17*88200-*' | wc -l)" '0 2' "and have one name"
fi

# By hand
HOME=$d/home; export HOME; mkdir "$HOME"
hand() { SENDER=root@host RECIPIENT=frank@host "$bin/deaddrop-local" "$@" < "$d/message" 2> "$d/err"; }
hand; is "$? $(grep -c '^From ' "$HOME/mbox")" '0 1' "without options: ~/mbox"
mkdir "$HOME/Maildir"; hand; is "$? $(ls "$HOME/Maildir/new" | wc -l)" '0 1' "or ~/Maildir, where that is there"
hand --mbox "$d/hand.mbox"; is "$? $(stat -c %a "$d/hand.mbox")" '0 600' "--mbox"
( cd "$d" && hand --mbox relative.mbox && hand --maildir relative && [ -f relative.mbox ] && [ -d relative/new ] ); ok $? "relative paths"
hand --mbox "$d/hand.mboxo" --mboxo; is "$(grep -c '^>>From' "$d/hand.mboxo")" 0 "--mboxo"
hand --mh "$d/hand.mh"; is "$? $(ls "$d/hand.mh")" '0 1' "--mh"
for code in 0 65 67 69 75 77 1 64 99 111 255; do
	hand --pipe "/bin/sh -c 'cat > /dev/null; echo words; exit $code'"; got=$?
	case $code in 0) want=0 ;; 65) want=65 ;; 67) want=67 ;; 77) want=77 ;; 69) want=69 ;; *) want=75 ;; esac
	is $got $want "--pipe: exit $code is $want"
done
like "$(cat "$d/err")" 'words' "and its last words are told"
tail -c 20000000 "$d/large" > "$d/end"; printf '\n\n' >> "$d/end"
cat "$d/large" | SENDER= "$bin/deaddrop-local" --mbox "$d/large.mbox" && tail -c 20000002 "$d/large.mbox" | cmp -s - "$d/end"; ok $? "a large message from a pipe"
mkdir "$d/ro"; hand --maildir /proc/none; is $? 75 "a directory that cannot be made: 75"
hand --maildir "$d/x" --mbox "$d/y"; is $? 64 "two places: 64"
"$bin/deaddrop-local" --mbox "$d/hand.mbox" < /dev/null 2>/dev/null; is $? 66 "no message: 66"
is "$(RECIPIENT='a
b' "$bin/deaddrop-local" --mbox "$d/hand.mbox" < "$d/message" 2>/dev/null; echo $?)" 65 "a recipient that is none: 65"
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# sendmail where its caller is odd: descriptors closed, a terminal, limits, no room; and what the administrator may decide about From, sender, MIME and dead.letter.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || plan_skip "needs python3"
chain_make
queue_options="--in-mode 0666 --in $chain/public.ctrl"
chain_start
conf=$scratch/inject.conf
public() { "$scratch/sendmail" --out "$chain/public.ctrl" "$@"; }
configured() { public --config "$conf" "$@"; }
configure() { printf '%s\n' 'name name.test.invalid' "$@" > "$conf"; }
# next NAME: the one message that arrives; its header without trace fields is $head, its body $body
next() {
	if ! wait_for 10 arrived_are 1; then ok 1 "$1: one message arrives"; head='' body='' all=''; rm -f "$inbox"/new/*; return 1; fi
	sed '/^$/,$d' "$inbox"/new/* > "$scratch/head"; sed '1,/^$/d' "$inbox"/new/* > "$scratch/body"
	head=$(sed '1,/^Received:/d' "$scratch/head" | sed '/^[ \t]/d'); from=$(sed -n 's/^Return-Path: //p' "$scratch/head")
	all=$(cat "$inbox"/new/*); body=$(cat "$scratch/body")
	rm -f "$inbox"/new/*
}
field() { printf '%s\n' "$head" | sed -n "s/^$1: //p"; }
login=$(id -un) full=$(getent passwd "$(id -u)" | cut -d: -f5 | cut -d, -f1)

cat > "$scratch/bare.py" <<'TXT'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
argv = (ctypes.c_char_p * (len(sys.argv) - 1))(*([a.encode() for a in sys.argv[2:]] + [None]))
libc.execve(sys.argv[1].encode(), argv, (ctypes.c_char_p * 1)(None))
os._exit(111)
TXT
printf 'no recipients\n' | python3 "$scratch/bare.py" "$scratch/sendmail" 2> "$scratch/err"; is "$? $(grep -c 'no recipients' "$scratch/err")" '64 1' "no argument at all, argv[0] neither: 64"

# Descriptors that a caller closed: nothing of the message may go where a socket or a file has taken their number
message='Subject: closed\n\ntoken of the message\n'
big() { printf "$message"; head -c 400000 /dev/zero | tr '\0' 'x' | fold -w 100; }
for closed in '>&-' '2>&-' '>&- 2>&-' '>/dev/full 2>/dev/full' '> /dev/null 3>&- 4>&- 5>&- 6>&- 7>&-'; do
	printf "$message" | eval "public root $closed"; is $? 0 "with $closed: taken"
	next "with $closed"; is "$body" 'token of the message' "and the message arrives as it is"
	big | eval "public root $closed"; is $? 0 "a long one, which needs a file"
	next "with $closed"; is "$(grep -c 'token of the message' "$scratch/body") $(wc -c < "$scratch/body")" "1 404020" "arrives as it is"
done
for closed in '<&-' '<&- >&-' '<&- >&- 2>&-'; do
	eval "public root $closed" 2> "$scratch/err"; is $? 74 "with $closed: 74, for there is no message"
	is "$(arrived)" 0 "and none is made up"
done
printf "$message" | public -v root >&- 2> "$scratch/err"; is $? 0 "-v and standard output is closed: taken all the same"; next "-v with >&-"
printf "$message" | public -v root > /dev/full 2> "$scratch/err"; is $? 0 "or full"; next "-v with /dev/full"
printf "$message" | (trap '' PIPE; public -v root) | true; next "with a reader that is gone"; is "$body" 'token of the message' "a reader that is gone does no harm"

"$scratch/sendmail" --out "$chain/public.ctrl" root < / 2> "$scratch/err"; is "$? $(grep -c 'Is a directory' "$scratch/err")" '74 1' "standard input is a directory: 74, and why"
python3 - "$scratch/sendmail" "$chain/public.ctrl" <<'TXT'
import os, subprocess, sys, time
r, w = os.pipe()
os.set_blocking(r, False)
p = subprocess.Popen([sys.argv[1], '--out', sys.argv[2], 'root'], stdin=r)
for piece in b'Subject: slow\n', b'\ntoken of ', b'the message\n':
    time.sleep(0.2)
    os.write(w, piece)
os.close(w)
sys.exit(p.wait(20))
TXT
is $? 0 "a pipe that does not block, and comes slowly"; next "a pipe that does not block"; is "$body" 'token of the message' "arrives whole"

# A terminal
cat > "$scratch/terminal.py" <<'TXT'
import os, pty, sys, time
text, argv = sys.argv[1].encode().decode('unicode_escape').encode(), sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(argv[0], argv)
time.sleep(0.3)             # the line discipline is in order
os.write(fd, text)
end, status = time.time() + 20, None
while time.time() < end:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        sys.exit(os.waitstatus_to_exitcode(status))
    time.sleep(0.02)
os.kill(pid, 9)
os.waitpid(pid, 0)
sys.exit(99)
TXT
on_terminal() { python3 "$scratch/terminal.py" "$1" "$scratch/sendmail" --out "$chain/public.ctrl" $2 root; }
on_terminal 'Subject: tty\n\nabove\n.\nbelow\n' ''; is $? 0 "on a terminal a lone dot ends the message"
next "a dot on a terminal"; is "$body" above "there"
on_terminal 'Subject: tty\n\nabove\n.\nbelow\n\004' -i; is $? 0 "with -i it does not: end of file does"
next "-i on a terminal"; is "$(printf '%s' "$body" | tr '\n' ' ')" 'above . below' "and the dot is text"
on_terminal 'Subject: tty\n\nabove\n.\nbelow\n\004' -oi; is $? 0 "nor with -oi"
next "-oi on a terminal"; is "$(printf '%s' "$body" | tr '\n' ' ')" 'above . below' "the same"
on_terminal 'Subject: tty\n\nabove\n..\n. \n.x\n\004' ''; next "dots that are not alone"
is "$(printf '%s' "$body" | tr '\n' '|')" 'above|..|. |.x' "on a terminal only a dot alone ends it"
# elsewhere
dots='Subject: dots\n\nabove\n.\n..double\nbelow\n.\n'
printf "$dots" | public root; next "a pipe"; is "$(printf '%s' "$body" | tr '\n' '|')" 'above|.|..double|below' "on a pipe: text where something follows, dropped at the end"
printf "$dots" > "$scratch/dots"; public root < "$scratch/dots"; next "a file"; is "$(printf '%s' "$body" | tr '\n' '|')" 'above|.|..double|below' "on a file: the same"
printf "$dots" | public -i root; next "-i"; is "$(printf '%s' "$body" | tr '\n' '|')" 'above|.|..double|below|.' "-i: always text"
printf "$dots" | public --dot root; next "--dot"; is "$(printf '%s' "$body" | tr '\n' '|')" 'above' "--dot: ends it"
printf 'Subject: dots\n\n..double\nbelow\n.\nlost\n' | public --dot root; next "--dot"; is "$(printf '%s' "$body" | tr '\n' '|')" '.double|below' "--dot: and a doubled one loses one"

# Whose name stands there
plain='Subject: s\n\nx\n' with='From: Web Site <web@example.org>\nSubject: s\n\nx\n'
configure
printf "$plain" | configured -f me@example.org root; next add
is "$(field From)" me@example.org "from add: what -f names, where From is missing"
is "$from" '<me@example.org>' "and the envelope has it"
printf "$plain" | configured root; next add
is "$(field From)" "${full:+$full <}$login@name.test.invalid${full:+>}" "without -f the account with its full name"
printf "$plain" | configured -F 'J. Dör' root; next add
is "$(field From)" "=?utf-8?Q?J=2E_D=C3=B6r?= <$login@name.test.invalid>" "-F is encoded where it must be"
printf "$plain" | configured -F 'J. Doe' root; next add
is "$(field From)" "\"J. Doe\" <$login@name.test.invalid>" "or quoted"
printf "$with" | configured -f me@example.org -F Other root; next add
is "$(field From)" 'Web Site <web@example.org>' "a From that is there stays"
configure 'from leave'
printf "$plain" | configured -f me@example.org root; next leave; is "$(field From)" '' "from leave: none is added"
printf "$with" | configured root; next leave; is "$(field From)" 'Web Site <web@example.org>' "none is touched"
configure 'from replace'
printf "$plain" | configured -f me@example.org root; next replace; is "$(field From)" me@example.org "from replace: added where it is missing"
printf "$with" | configured -f me@example.org root; next replace
is "$(field From)" me@example.org "ours instead of the message's"
is "$(field X-Original-From)" 'Web Site <web@example.org>' "which stays as X-Original-From"
configure 'sender fixed@example.net'
printf "$plain" | configured -f me@example.org root; next sender; is "$from" '<fixed@example.net>' "sender: wins over -f"
is "$(field From)" fixed@example.net "and is the From that is added"
printf "$plain" | configured -r me@example.org root; next sender; is "$from" '<fixed@example.net>' "and over -r"
printf "$plain" | configured root; next sender; is "$from" '<fixed@example.net>' "and over the login"
for null in "-f '<>'" "-f ''" "-r '<>'" "'-f<>'"; do
	printf "$plain" | eval "configured $null root"; next "$null"; is "$from" '<>' "a null sender ($null) stays null"
done
configure 'sender fixed@example.net' 'from replace'
printf "$with" | configured -f me@example.org root; next both
is "$from $(field From)" '<fixed@example.net> fixed@example.net' "sender and from replace together set both"
configure
for given in '<a@b.example>' 'a@b.example' 'Name <a@b.example>' ' a@b.example ' '"a"@b.example'; do
	printf "$plain" | configured -f "$given" root; next "-f '$given'"; is "$from" '<a@b.example>' "-f '$given'"
done
for given in '<>' '' ' ' ' <> '; do
	printf "$plain" | configured -f "$given" root; next "-f '$given'"; is "$from" '<>' "-f '$given': the null sender"
	is "$(field From)" "${full:+$full <}$login@name.test.invalid${full:+>}" "and a From all the same"
done
printf "$plain" | configured -f user root; next "-f user"; is "$from" '<user@name.test.invalid>' "-f user: qualified"
printf "$plain" | configured -fuser root; next "-fuser"; is "$from" '<user@name.test.invalid>' "-fuser"
printf "$plain" | configured -f '<a@' root 2> "$scratch/err"; is "$? $(grep -c 'is no address: passed over' "$scratch/err")" '0 1' "-f with what is no address: passed over, with a warning"
next "-f '<a@'"; is "$from" "<$login@name.test.invalid>" "the login is the sender"

# The mail name: configuration, /etc/mailname, host name
if [ "$(id -u)" = 0 ] && unshare -m -u true 2>/dev/null; then
	[ -e /etc/mailname ] && place=/etc/mailname || place=''
	elsewhere() { unshare -m -u sh -c 'hostname host.test.invalid; [ -z "$1" ] || mount --bind "$2" "$1"; shift 2; exec "$@"' sh "$place" "$scratch/mailname" "$scratch/sendmail" --out "$chain/public.ctrl" "$@"; }
	echo mailname.test.invalid > "$scratch/mailname"
	printf "$plain" | elsewhere --config "$conf" root; next name; is "$from" "<$login@name.test.invalid>" "the mail name is that of the configuration"
	if [ -n "$place" ]; then
		printf "$plain" | elsewhere --config /dev/null root; next name; is "$from" "<$login@mailname.test.invalid>" "or that of /etc/mailname"
	else
		skip "/etc/mailname: this host has none"
	fi
	: > "$scratch/mailname"
	printf "$plain" | elsewhere --config /dev/null root; next name; is "$from" "<$login@host.test.invalid>" "or the host name"
	is "$(field Message-ID | sed 's/.*@//')" 'host.test.invalid>' "in Message-ID as well"
else
	skip "mail names: needs root, for a host name that is not yours"
fi

# Qualifying, and the stand-in for To
bare='From: joe\nTo: root, "A B" <x>, (c) y@z.example\nReply-To: ops\nSubject: s\n\nx\n'
configure; printf "$bare" | configured root; next qualify
is "$(field From) $(field Reply-To) $(field To)" 'joe@name.test.invalid ops@name.test.invalid root@name.test.invalid, "A B" <x@name.test.invalid>, (c) y@z.example' "bare addresses in fields are qualified"
configure 'qualify no'; printf "$bare" | configured root; next 'qualify no'
is "$(field From) $(field Reply-To) $(field To)" 'joe ops root, "A B" <x>, (c) y@z.example' "qualify no: they are left alone"
configure; printf "$plain" | configured root; next to; is "$(field To)" 'undisclosed-recipients:;' "to undisclosed"
printf 'Bcc: root, hidden\nSubject: s\n\nx\n' | configured -t; next 'Bcc alone'
is "$(field To)" 'undisclosed-recipients:;' "Bcc alone: undisclosed-recipients"; is "$(field Bcc)$(printf '%s' "$head" | grep -c hidden)" 0 "and no Bcc"
configure 'to list'; printf "$plain" | configured root; next 'to list'; is "$(field To)" 'root@name.test.invalid' "to list"
printf 'Bcc: root, hidden\nSubject: s\n\nx\n' | configured -t; next 'to list'; is "$(field To)" 'undisclosed-recipients:;' "to list never tells of a Bcc"
configure 'to leave'; printf "$plain" | configured root; next 'to leave'; is "$(field To)" '' "to leave"

# MIME: only where it is asked for
configure; printf "$plain" | configured root; next mime
is "$(printf '%s' "$head" | grep -ciE '^(mime-version|content-)')" 0 "no MIME field is added"
configure 'mime utf-8'; printf 'Subject: s\n\nGr\303\274\303\237e\n' | configured root; next mime
is "$(field MIME-Version)|$(field Content-Type)|$(field Content-Transfer-Encoding)" '1.0|text/plain; charset=utf-8|8bit' "mime utf-8: the three fields"
is "$body" "$(printf 'Gr\303\274\303\237e')" "and the body as it is"
printf 'MIME-Version: 1.0\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\nx\n' | configured root; next mime
is "$(field MIME-Version)|$(field Content-Type)|$(field Content-Transfer-Encoding)" '1.0|text/html|quoted-printable' "what is there stays"
printf 'content-type: text/html\n\nx\n' | configured root; next mime
is "$(field MIME-Version)|$(field content-type)|$(field Content-Type)|$(field Content-Transfer-Encoding)" '1.0|text/html||' "a Content-Type alone gets its MIME-Version"
configure; printf "$plain" | configured --mime iso-8859-1 root; next mime
is "$(field Content-Type)" 'text/plain; charset=iso-8859-1' "--mime asks for it as well"
printf 'Resent-To: root\nSubject: s\n\nx\n' | configured --mime utf-8 -t; next mime; is "$(field MIME-Version)" '' "a message sent on is left as it is"
printf "$plain" | configured --mime 'a; b' root 2> /dev/null; is $? 64 "what is no character set: 64"

# The sample says what holds without it, or works as it stands
sed 's/^#\([a-z][a-z-]* \)/\1/' "$top/service/conf/inject.conf" > "$scratch/sample"
public --config "$top/service/conf/inject.conf" -bv root > /dev/null; is $? 0 "the sample of inject.conf is one"
printf "$plain" | public --config "$scratch/sample" root; is $? 0 "so it is with all its lines in force"; next sample
is "$from $(field To) $(field Content-Type)" '<host@example.org> undisclosed-recipients:; text/plain; charset=utf-8' "and they do what they say"
is "$(grep -c . "$scratch/sample") $(grep -cE '^(name|wait|sender|from|to|qualify|mime|dead-letter) ' "$scratch/sample")" "$(grep -c . "$top/service/conf/inject.conf") 8" "all of them are there"

# dead.letter: only where it is asked for
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	mkdir "$scratch/home"
	printf '%s\n' "root:x:0:0:root:$scratch/home:/bin/sh" "nobody:x:65534:65534:nobody:$scratch/home:/bin/sh" > "$scratch/passwd"
	at_home() { unshare -m sh -c 'mount --bind "$1" /etc/passwd && shift && exec "$@"' sh "$scratch/passwd" "$scratch/sendmail" --out "$chain/away.ctrl" --wait 0s "$@"; }
	letter=$scratch/home/dead.letter
	printf "$message" | at_home root 2> "$scratch/err"; is "$? $(ls "$scratch/home")" '75 ' "queue is away: 75, and no dead.letter"
	printf "$message" | at_home -oem -oep -oew root 2> "$scratch/err"; is "$? $(ls "$scratch/home")" '75 ' "nor for sendmail's old letters"
	printf 'Subject: one\nTo: a\n\n.\nFrom here\n>From there\nlast' | at_home --dead-letter -i root 2> "$scratch/err"; is $? 75 "--dead-letter: still 75"
	like "$(cat "$scratch/err")" "the message is in $letter" "and where the message is"
	is "$(stat -c '%a %h' "$letter")" '600 1' "its mode is 0600"
	like "$(head -n 1 "$letter")" '^From root [A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}$' "it begins as an mbox"
	is "$(sed '1,/^$/d' "$letter" | tr '\n' '|')" '.|>From here|>>From there|last||' "the body follows, quoted, with an end"
	is "$(grep -cE '^(Subject: one|To: a@|From: |Date: |Message-ID: )' "$letter")" 5 "the header is complete"
	printf 'Subject: two\n\nx\n' | at_home --dead-letter root 2> "$scratch/err"
	is "$(python3 -c 'import mailbox,sys; print(*[m["Subject"] for m in mailbox.mbox(sys.argv[1])])' "$letter")" 'one two' "the next one is appended, and Python reads both"
	big | at_home --dead-letter root 2> /dev/null; is "$(tail -c 400000 "$letter" | tr -d 'x\n' | wc -c)" 0 "a long one from a pipe"
	{ big; } > "$scratch/big"; at_home --dead-letter root < "$scratch/big" 2> /dev/null
	is "$(python3 -c 'import mailbox,sys; print(*[len(m.get_payload()) for m in mailbox.mbox(sys.argv[1])])' "$letter" | cut -d' ' -f3-)" '404021 404021' "and from a file"
	printf 'Subject: nobody to\n\nx\n' | at_home --dead-letter 2> /dev/null; is "$? $(grep -c '^Subject: nobody to' "$letter")" '64 1' "a message without recipients is kept, too"
	echo nonsense > "$conf"; printf 'Subject: broken\n\nx\n' | at_home --dead-letter --config "$conf" root 2> "$scratch/err"
	is "$? $(grep -c '^Subject: broken' "$letter") $(grep -c 'dead.letter' "$scratch/err")" '78 1 1' "and one that met a broken configuration"
	configure 'dead-letter yes'; printf 'Subject: asked by file\n\nx\n' | at_home --config "$conf" root 2> /dev/null; is "$? $(grep -c '^Subject: asked by file' "$letter")" '75 1' "dead-letter yes in the configuration asks for it"
	before=$(wc -c < "$letter")
	printf "$message" | public --dead-letter root; is "$? $(wc -c < "$letter")" "0 $before" "what is handed in is not kept there"; next "--dead-letter"
	(ulimit -f 100; big | at_home --dead-letter root) 2> "$scratch/err"; is "$? $(wc -c < "$letter")" "75 $before" "no room: the file is as it was"
	like "$(cat "$scratch/err")" 'nor can it be kept in .*dead.letter: File too large' "and that is said"
	rm "$letter"; (umask 0777; printf "$message" | at_home --dead-letter root 2> /dev/null); is "$(stat -c %a "$letter")" 600 "the mode is 0600 with any umask"
	mkdir "$scratch/other"; : > "$scratch/other/file"
	for trap in 'ln -s "$scratch/other/file" "$letter"' 'ln "$scratch/other/file" "$letter"' 'mkfifo "$letter"' 'mkdir "$letter"' ': > "$letter"; chown 65534 "$letter"' 'ln -s /nowhere/x "$letter"'; do
		rm -rf "$letter"; eval "$trap"
		printf "$message" | at_home --dead-letter root 2> "$scratch/err"; is "$? $(grep -c 'nor can it be kept' "$scratch/err") $(wc -c < "$scratch/other/file")" '75 1 0' "$trap: not used"
	done
	rm -rf "$letter"; : > "$letter"
	python3 -c 'import fcntl,sys,time
f = open(sys.argv[1], "a"); fcntl.lockf(f, fcntl.LOCK_EX); print("locked", flush=True); time.sleep(1); f.write("mine\n"); f.flush()' "$letter" > "$scratch/lock" & lock_pid=$!
	wait_for 5 test -s "$scratch/lock"
	printf "$message" | at_home --dead-letter root 2> /dev/null; wait $lock_pid
	is "$(head -n 1 "$letter") $(grep -c 'token' "$letter")" 'mine 1' "it waits for another writer's lock"
	sed -i 's|:/[^:]*:/bin|:/nonexistent:/bin|' "$scratch/passwd"
	printf "$message" | at_home --dead-letter root 2> "$scratch/err"; is "$? $(grep -c 'nor can it be kept in /nonexistent/dead.letter' "$scratch/err")" '75 1' "no home: said so"
else
	skip "dead.letter: needs root, for a home that is not yours"
fi

# Limits, odd surroundings, odd arguments
ends() {		# ends NAME WANTED-EXITS COMMAND…: the message arrives where it says 0, does not where it does not, and no signal ends it
	ends_name=$1 ends_wanted=$2; shift 2
	printf "$message" | "$@" > "$scratch/out" 2> "$scratch/err"; ends_code=$?
	case " $ends_wanted " in
	*" $ends_code "*) ok 0 "$ends_name: exit $ends_code" ;;
	*) ok 1 "$ends_name: exit $ends_code, wanted $ends_wanted"; diag "$(head -c 300 "$scratch/err")" ;;
	esac
	if [ $ends_code = 0 ]; then next "$ends_name" && is "$(printf '%s' "$body" | tail -n 1)" 'token of the message' "and it arrives"
	else is "$(arrived) $(grep -c . "$scratch/err")" '0 1' "nothing arrives, and a line says why"; fi
}
s=$scratch/sendmail o="--out $chain/public.ctrl"
limited() { sh -c 'ulimit $1; shift; exec "$@"' sh "$@"; }
ends "umask 0777" 0 sh -c "umask 0777; exec $s $o root"
ends "an empty environment" 0 env -i "$s" $o root
ends "a directory that is gone" 0 sh -c "mkdir $scratch/gone; cd $scratch/gone; rmdir $scratch/gone; exec $s $o root"
ends "no file may grow" 0 limited -f\ 0 "$s" $o root
ends "four descriptors" 0 limited -n\ 4 "$s" $o root
ends "16 MB of memory" 0 limited -v\ 16384 "$s" $o root
ends "256 KB of stack" 0 limited -s\ 256 "$s" $o root
ends "no core, no processes" 0 limited -u\ 0 "$s" $o root
big | limited -f\ 1 "$s" $o root 2> "$scratch/err"; is $? 0 "a long message where no file may grow is passed on as it comes"; next "a long message"; is "$(wc -c < "$scratch/body")" 404020 "all of it"
printf 'To: @@, <<a@b>, "open\nCc: ;;:\nSubject: s\n\ntoken of the message\n' > "$scratch/odd"
public root < "$scratch/odd" 2> "$scratch/err"; is "$? $(cat "$scratch/err")" '0 ' "fields that hold no addresses do not matter where arguments name the recipient"
next "odd fields"; is "$(field To)" '@@, <<a@b>, "open' "and stay as they are"
# However little memory there is, it is the whole message or none, and a line that says why
{ printf 'Subject: little\nTo: root\n\n'; head -c 700000 /dev/zero | tr '\0' x | fold -w 99; } > "$scratch/little"
size=$(sed '1,/^$/d' "$scratch/little" | wc -c) taken=0 wrong=0
for kilobytes in $(seq 2520 60 4200) 16384; do
	cat "$scratch/little" | limited -v\ $kilobytes "$s" $o -t 2> "$scratch/err"; code=$?
	case $code in
	0) taken=$((taken + 1)) ;;
	71|75) [ "$(grep -c . "$scratch/err")" = 1 ] || wrong=$((wrong + 1)) ;;
	127|137) : ;;		# it cannot even be loaded
	*) wrong=$((wrong + 1)) ;;
	esac
done
is $wrong 0 "2.5 to 4.2 MB of memory, and 16: taken, or refused with 71 or 75 and a line ($taken taken)"
wait_for 10 arrived_are $taken; ok $? "what is taken arrives"
is "$(for f in "$inbox"/new/*; do sed '1,/^$/d' "$f" | wc -c; done | sort -u)" "$size" "each time the whole of it"
rm -f "$inbox"/new/*
ends "an argument of 100,000 bytes" 65 "$s" $o "$(head -c 100000 /dev/zero | tr '\0' a)"
ends "an empty argument alone: no recipient" 64 "$s" $o ''
ends "an empty argument among others" 0 "$s" $o '' root ''
ends "blanks and commas" 0 "$s" $o ' , ,' 'root,,'
ends "a newline in an argument" '0 65' "$s" $o "root
Bcc: evil@example.org"
ends "control characters in -F" 0 "$s" $o -F "x
Bcc: evil@example.org" root
is "$(printf '%s' "$head" | grep -c '^Bcc')" 0 "make no field"
ends "control characters in -f" 0 "$s" $o -f "x
Bcc: evil@example.org" root 2>/dev/null
ends "an endless -V" 0 "$s" $o -V "$(head -c 50000 /dev/zero | tr '\0' v)" root 2>/dev/null
ends "a very long --out" 78 "$s" --out "/$(head -c 3000 /dev/zero | tr '\0' q)" root
ends "--out is a file" '75 77' "$s" --out "$scratch/dots" --wait 0s root
ends "--out is a directory" '75 77' "$s" --out "$scratch" --wait 0s root
n=0; set --; while [ $n -lt 3000 ]; do n=$((n + 1)); set -- "$@" "r$((n % 90))@example.org" "-o$n" -i; done
ends "9,000 arguments" 0 "$s" $o "$@"
is "$(sed -n 's/^Delivered-To: //p' "$scratch/head" | wc -l)" 90 "for 90 recipients, each once"
printf 'To: root\n\ntoken of the message\n' | python3 "$scratch/bare.py" "$s" '' --out "$chain/public.ctrl" --config /dev/null; is $? 0 "an empty argv[0]"; next "an empty argv[0]"
ends "SIGPIPE, SIGTERM and SIGHUP ignored" 0 sh -c "trap '' PIPE TERM HUP; exec $s $o root"
python3 - "$s" "$chain/public.ctrl" <<'TXT'
import random, subprocess, sys
random.seed(7)
words = ['-', '--', '-f', '-F', '-t', '-i', '-oi', '-N', '-R', '-B', '-q', '-qI', '-bv', '-bp', '-O', '-X', '', ' ', ',', '@', '<', '>', '"', '(', '\\', '\xff', 'a@b', 'root', '-v', '--dot', '--mime',
         '--subtract', '--dead-letter', '-bx', '-Z', '-p', '-h', '-V', '-e', '-d', '-I', '-bi', '--envelope-fd', '9', '\n', '\r', '\x01', 'é', '[::1]', 'a@[1.2.3.4]', ':;', 'g:a@b;', '%s%n', '-f%n', '=?x?=']
for n in range(400):
    argv = [sys.argv[1], '--admin', '/nonexistent', '--wait', '0s', '--out', '/nonexistent'] + [random.choice(words) for _ in range(random.randrange(8))]
    r = subprocess.run(argv, input=b'To: root\n\nx\n', capture_output=True, timeout=20, env={})
    assert r.returncode >= 0 and r.returncode in (0, 64, 65, 66, 67, 69, 74, 75, 77, 78), (argv, r)
    assert r.returncode == 0 or r.stderr.count(b'\n') >= 1, (argv, r)
TXT
is $? 0 "400 heaps of odd arguments: always an exit status of sysexits(3), and a line on standard error"
chain_stop
done_testing

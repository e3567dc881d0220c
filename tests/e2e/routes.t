#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Aliases, routes, filters, fallbacks, and what --explain says of them.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || plan_skip "needs python3"
chain_make
kept=$scratch/kept; rules=$scratch/rules; conf=$scratch/send.conf
mkdir "$kept"; : > "$kept/jobs"
echo '* K 2.0.0 kept' > "$rules"
send_options="--out $chain/test.ctrl --config $conf"
drop_start() { python3 "$top/tests/e2e/drop.py" "$chain/test.ctrl" "$rules" "$kept" 2>> "$scratch/log/drop" & echo $! > "$scratch/drop.pid"; wait_for 5 test -S "$chain/test.ctrl"; }
drop_stop() { kill "$(cat "$scratch/drop.pid")" 2>/dev/null; wait "$(cat "$scratch/drop.pid")" 2>/dev/null; }
chain_cleanup() { drop_stop; }
check() { "$bin/deaddrop-send" --check --config "$conf" --out "$chain/test.ctrl" --out "$chain/local.ctrl" --spool "$chain" > "$scratch/check" 2>&1; }
explain() { "$bin/deaddrop-send" --explain --config "$conf" "$@"; }
restart() { stage_stop send "${1:-TERM}"; stage_start send; }
jobs_are() { wait_for 10 sh -c "[ \$(wc -l < $kept/jobs) = $1 ]"; }
host=$(cat /etc/mailname 2>/dev/null || hostname)

# Configurations that are wrong
wrong() {		# wrong LINE PATTERN: the error names file and line
	printf 'retry 1s until 1d\n%s\n' "$1" > "$conf"
	check; status=$?
	like "$status $(cat "$scratch/check")" "^78 .*send.conf:2: .*$2" "refused: $1"
}
wrong 'route rcpt /(/ to test:a' 'missing closing'
wrong 'route rcpt /a/ to test:$1' 'no capture 1'
wrong 'filter subject /(/ ""' 'missing closing'
wrong 'filter subject /a/ "$2"' 'no capture 2'
wrong 'route rcpt a' 'expected'
wrong 'route foo a to test:a' 'expected all, rcpt'
wrong 'route all to nodrop' 'expected a drop'
wrong 'route all to test:a else test:b' 'after and a time'
wrong 'route uid no-such-user to test:a' 'a user or a uid'
wrong 'route client 1.2.3.4.5 to test:a' 'an address or a network'
wrong 'route all to other:a' 'no --out other.ctrl'
wrong 'bounce limit many' 'expected limit'
wrong 'forward relative' 'expected a directory'
wrong 'forward /nonexistent/forward' 'No such file'
mkdir "$scratch/forward"; wrong "forward $scratch/forward other:a" 'no --out other.ctrl'
chmod 0777 "$kept"; wrong "forward $kept" 'nobody else may write'; chmod 0755 "$kept"
wrong 'aliases /nonexistent/aliases' 'No such file'
bad_alias() {		# bad_alias TEXT PATTERN
	printf 'ok: frank\n%s\n' "$1" > "$scratch/aliases"
	printf 'aliases %s\n' "$scratch/aliases" > "$conf"
	check; status=$?
	like "$status $(cat "$scratch/check")" "^78 .*aliases:2: .*$2" "refused alias: $1"
}
bad_alias 'news: |/usr/bin/news' 'no program'
bad_alias 'news: "|/usr/bin/news -x"' 'no program'
bad_alias 'log: /var/log/mail.txt' 'no file'
bad_alias 'a: other:drop' 'no --out other.ctrl'
bad_alias 'nocolon' 'name: address'
bad_alias 'a: :include:relative' 'absolute path'
bad_alias 'a: :include:/nonexistent/list' 'No such file'
bad_alias 'a: x y@' 'an address'
bad_alias 'OK: other' 'one alias of that name'
printf 'a: b\nb: c\nc: a\n' > "$scratch/aliases"; check
like "$(cat "$scratch/check")" 'aliases:3: c: expected no loop' "a loop is refused"

# Aliases
printf '%s\n' '# comment' 'root: frank, archive' 'frank: frank, frank@example.org' '"archive": test:archive' "list: :include:$scratch/list" \
	'postmaster: ROOT' 'nobody: /dev/null' 'long: one,' '  two' 'plain: \root' 'ext: base' > "$scratch/aliases"
printf '%s\n' '# members' 'a@example.org, B <b@example.org>' 'frank' > "$scratch/list"
echo 'more: test:more' > "$scratch/aliases.more"
cat > "$conf" <<EOF
retry 1s until 1d
aliases $scratch/aliases $scratch/aliases.more
local mail.example.net
filter from /^root@.*\$/ "frank+server@example.org" except test:archive
filter subject /^\\[cron\\] */ "" only test:remote
filter subject /h(.)llo/ "J\$1LLO" only test:remote
filter subject /^drop me/ "" only test:picky
route rcpt /^list-(.*)@/ to test:list/\$1
route rcpt /@example\\.org\$/ to test:remote
route rcpt both to test:one and
route header subject /backup failed/i to test:alarm and
route sender /^boss@/ except rcpt /^frank@/ to test:boss
route size over 100K to test:large
route uid 12345 to test:uid
route client 192.0.2.0/24 to test:client
route client-group google to test:group
route rcpt chain to test:first else test:second after 2s
route rcpt picky to test:picky
route rcpt gone to discard
route rcpt moves to test:old
route all to test:inbox
EOF
check; is $? 0 "--check is content"; diag "$(cat "$scratch/check")"
for name in root root@localhost "root@$(hostname)" ROOT root@mail.example.net "root@$host"; do
	is "$(explain "$name" < /dev/null | grep -c '^  to ')" 3 "$name leads to three drops"
done
said=$(explain root < /dev/null); diag "$said"
like "$said" 'aliases:2: alias frank' "--explain names the alias with file and line"
like "$said" 'send.conf:9: route test:remote' "and the route"
like "$said" 'to test:inbox as frank' "and what comes of it"
like "$(explain 'frank+ext' < /dev/null)" 'to test:remote as frank@example.org' "user+extension has the user's alias"
like "$(explain 'ext+more' < /dev/null)" 'as base\+more' "and the extension goes on"
echo '*: catch' > "$scratch/aliases.all"
sed "s,aliases.more,aliases.more $scratch/aliases.all," "$conf" > "$conf.all"
explain_all() { "$bin/deaddrop-send" --explain --config "$conf.all" "$1" < /dev/null; }
like "$(explain_all unknown)" 'as catch' "the catch-all"
like "$(explain_all unknown@example.com)" 'to test:inbox$' "not for addresses of others"
like "$(explain_all frank)" 'aliases:3' "nor for names with an alias"
like "$(explain nobody < /dev/null)" 'to discard' "/dev/null discards"
is "$(explain long < /dev/null | grep -c ' as ')" 2 "a continued line"
is "$(explain list < /dev/null | grep -c '^  to ')" 4 ":include: with a list of addresses"
like "$(explain plain < /dev/null)" 'as root' "a backslash ends it"
like "$(explain list-a/../b < /dev/null)" 'refused.*' "a capture with a slash is refused"
like "$(explain list-..  < /dev/null)" 'refused' "one that climbs too"
like "$(explain list--rf < /dev/null)" 'refused' "one that looks like an option too"
like "$(explain list-news < /dev/null)" 'to test:list/news' "a harmless one is used"
like "$(explain --sender boss@example.com joe < /dev/null)" 'test:boss' "by sender"
like "$(explain --sender boss@example.com frank@localhost < /dev/null)" 'test:inbox' "except"
like "$(explain --uid 12345 joe < /dev/null)" 'test:uid' "by uid"
like "$(explain --client 192.0.2.77 joe < /dev/null)" 'test:client' "by client"
like "$(explain --client 192.0.3.77 joe < /dev/null)" 'test:inbox' "not by another"
like "$(explain --client 'mx.example [192.0.2.77]' joe < /dev/null)" 'test:client' "by the address of one with a name"
like "$(explain --client-group 'loopback google' joe < /dev/null)" 'send.conf:[0-9]+: route test:group' "by a group of smtpd's"
like "$(explain --client-group googles joe < /dev/null)" 'test:inbox' "not by another's"
like "$(head -c 200000 /dev/zero | tr '\0' x | explain joe)" 'test:large' "by size"
printf 'Subject: =?utf-8?q?Backup_FAILED?=\n\n' > "$scratch/m"
is "$(explain joe < "$scratch/m" | grep -c '^  to ')" 2 "by a decoded header field, and"
is "$(explain both < /dev/null | grep -c '^  to ')" 2 "a literal, and"
printf 'From: Charlie <root@x>\nTo: frank\nSubject: =?iso-8859-1?q?[cron]_h=E4llo?=\nX: y\n\nbody\n' > "$scratch/m"
said=$(explain frank@example.org < "$scratch/m"); diag "$said"
like "$said" '- From: Charlie <root@x>' "--explain shows a field before"
like "$said" '\+ From: Charlie <frank\+server@example.org>' "and after a filter"

# Fields as patterns see them, and both sides of a size
printf '%s\n' 'route header x-long /^one two three$/ to test:folded' 'route size under 10 to test:small' 'route all to test:inbox' > "$conf.d19"
explain_d19() { "$bin/deaddrop-send" --explain --config "$conf.d19" joe; }
like "$(printf 'X-Long: one\n two\n three\n\nbody of some bytes\n' | explain_d19)" 'to test:folded' "a folded field is one line to a pattern"
like "$(printf 'X-Long: one\r\n two\r\n three\r\n\r\nbody of some bytes\r\n' | explain_d19)" 'to test:folded' "whatever its lines ended in"
like "$(printf 'A: b\n\n' | explain_d19)" 'to test:small' "size under"
like "$(printf 'Subject: a\n\nbody of some bytes\n' | explain_d19)" 'to test:inbox' "and not over it"

# Users' own files: addresses, names, and the drops that they may name
forward=$scratch/forward
user=$(id -un); other=$(getent passwd | cut -d: -f1 | grep -vx -e "$user" -e frank | grep -x '[a-z]*' | head -n 1)
printf '%s\n' 'aliases '"$scratch/aliases.own" "forward $forward test:folder test:archive" 'route all to test:inbox' > "$conf.own"
echo "boss: $user" > "$scratch/aliases.own"
explain_own() { "$bin/deaddrop-send" --explain --config "$conf.own" "$1" < /dev/null 2>&1; }
printf '%s\n' '# mine' 'anna@example.org' "\\$user" 'test:folder/lists/a' 'test:archive' > "$forward/$user"
said=$(explain_own "$user+x@localhost"); diag "$said"
like "$said" "forward/$user:2: alias anna@example.org" "a user's file is named with its line"
is "$(echo "$said" | grep -c '^  to ')" 4 "an address, the user's own name, a folder and a drop"
like "$(explain_own boss)" 'as anna@example.org' "an alias leads to it"
own_wrong() {		# own_wrong TEXT PATTERN: the file is told of, and mail goes as if it were not there
	printf '%s\n' "$1" > "$forward/$user"
	like "$(explain_own "$user")" "warning \"$forward/$user.*$2" "not allowed there: $1"
	like "$(explain_own "$user")" 'to test:inbox$' "mail goes as without it"
}
own_wrong '|/bin/sh' 'expected an address'
own_wrong '/etc/passwd' 'expected an address'
own_wrong ':include:/etc/shadow' 'expected an address'
own_wrong 'test:other' 'expected an address'
own_wrong 'test:folder/../x' 'expected an address'
own_wrong 'test:folder/' 'expected an address'
own_wrong '# nothing' 'expected an address'
own_wrong "$(head -c 5000 /dev/zero | tr '\0' a)" 'at most 4096 bytes'
echo anna > "$forward/$user"; chmod g+w "$forward/$user"; like "$(explain_own "$user")" 'nobody else may write' "nor may others write to it"
rm "$forward/$user"; ln -s /etc/shadow "$forward/$user"; like "$(explain_own "$user")" 'warning.*forward.*passed over' "nor is it a link"; is "$(explain_own "$user" | grep -c '\$\|:0:')" 0 "of which nothing is told"
rm "$forward/$user"; mkfifo "$forward/$user"; like "$(explain_own "$user")" 'a plain file' "nor a pipe"; rm "$forward/$user"
if [ "$(id -u)" = 0 ] && [ -n "$other" ]; then
	echo anna > "$forward/$user"; chown "$other" "$forward/$user"
	like "$(explain_own "$user")" "user's own" "nor another's"
	rm "$forward/$user"; echo "$user" > "$forward/$other"; chown "$other" "$forward/$other"; echo "$other" > "$forward/$user"
	like "$(explain_own "$other")" "to test:inbox as $user|to test:inbox$" "two that lead to each other end"
	echo "$user: own" >> "$scratch/aliases.own"
	like "$(explain_own "$user")" 'to test:inbox as own' "an alias of the administrator's goes first"
	rm "$forward/$other"
fi
rm -f "$forward/$user"; echo anna > "$forward/no-such-user"; like "$(explain_own joe)" 'no user has that name' "a file of nobody is told of"; rm "$forward/no-such-user"

# Through the chain
drop_start
chain_start
sendmail frank@example.org < "$scratch/m"; jobs_are 1
cmp -s "$scratch/m" /dev/null
got=$(cat "$kept"/1.msg)
like "$got" 'From: Charlie <frank\+server@example.org>' "a filter on an address, its name stays"
like "$got" 'Subject: =\?[uU][tT][fF]-8\?[QB]\?' "a filter on a decoded field is encoded again" 
is "$(python3 -c 'import email,sys; from email import policy; print(email.message_from_binary_file(open(sys.argv[1],"rb"),policy=policy.default)["Subject"])' "$kept/1.msg")" 'JäLLO' "with its capture"
sendmail archive < "$scratch/m"; jobs_are 2
grep -q '^From: Charlie <root@x>' "$kept/2.msg" && grep -q 'Subject: =?iso-8859-1?q?\[cron\]_h=E4llo?=' "$kept/2.msg"; ok $? "no filter: the bytes are kept"
printf 'Subject: drop me\n\n' | sendmail picky
wait_for 5 grep -q 'drop=discard' "$chain/log/send"; ok $? "an empty Subject discards, with a log line"
sendmail gone < "$scratch/m"
wait_for 5 sh -c "[ \$(grep -c 'drop=discard' $chain/log/send) = 2 ]"; ok $? "discard, with a log line"
is "$(wc -l < "$kept/jobs")" 2 "no deliverer sees them"
: > "$kept/jobs"
printf 'Subject: x\n\n' | sendmail root list; jobs_are 3
sort "$kept/jobs" > "$scratch/sorted"; diag "$(cat "$scratch/sorted")"
is "$(cut -d' ' -f2 "$scratch/sorted" | paste -sd' ')" 'archive inbox remote' "a message reaches a drop once, however many recipients lead there"

# Fallbacks
printf '%s\n' 'first Z 4.4.1 down' > "$rules"; : > "$kept/jobs"
printf 'Subject: chain\n\n' | sendmail chain
wait_for 15 grep -q '^K second' "$kept/jobs"; ok $? "else: the second drop after the time"
is "$(grep -c '^K' "$kept/jobs")" 1 "once"
wait_for 5 spool_is_empty; ok $? "nothing waits any more"
printf '%s\n' 'first X 5.3.4 too big' > "$rules"; : > "$kept/jobs"
printf 'Subject: chain\n\n' | sendmail chain
wait_for 10 grep -q '^K second' "$kept/jobs"; ok $? "else: at once where the first fails for ever"
wait_for 5 spool_is_empty; ok $? "and nobody is told of a failure"

# Routes that change while mail is deferred
printf '%s\n' 'old Z 4.2.0 never' > "$rules"; : > "$kept/jobs"
printf 'Subject: moves\n\n' | sendmail moves
wait_for 10 grep -q '^Z old' "$kept/jobs"
sed -i 's/to test:old/to test:new/' "$conf"
restart HUP
wait_for 15 grep -q '^K new' "$kept/jobs"; ok $? "a corrected route applies to deferred mail"
wait_for 5 spool_is_empty; ok $? "it is not tried at the old drop any more"
is "$(grep -c '^K' "$kept/jobs")" 1 "it is delivered once"

# A pattern that would take for ever
printf '%s\n' 'retry 1s until 1d' 'route rcpt /^(a+)+$/ to test:evil' 'route header x /^(a+)+$/ to test:evil' 'filter x /^(a+)+$/ "b"' 'route all to test:inbox' > "$conf"
restart
: > "$kept/jobs"
{ printf 'X: %s!\nSubject: redos\n\n' "$(head -c 5000 /dev/zero | tr '\0' a)"; } > "$scratch/m"
like "$(explain "$(head -c 60 /dev/zero | tr '\0' a)"@b < "$scratch/m")" 'limit' "--explain tells of the limit"
sendmail "$(head -c 60 /dev/zero | tr '\0' a)@b" < "$scratch/m"
wait_for 10 grep -q '^K inbox' "$kept/jobs"; ok $? "a pattern without end is cut off; the next route decides"
like "$(grep 'send: limit' "$chain/log/send" | head -n 1)" 'file=.*send.conf line=2 subject=.*took too long' "with a log line that names file and line"

# Origin: who handed it in
printf '%s\n' 'retry 1s until 1d' 'route client 192.0.2.0/24 origin smtpd to test:client' 'route origin inject uid '"$(id -u)"' rcpt byuid to test:byuid' \
	'route group '"$(id -gn)"' origin inject to test:bygroup' 'route all to test:inbox' > "$conf"
check; is $? 0 "routes by origin"; diag "$(cat "$scratch/check")"
stage_stop queue; queue_options="--in-trust $chain/trusted.ctrl"; restart; stage_start queue; wait_for 5 test -S "$chain/trusted.ctrl"
: > "$kept/jobs"
printf 'Subject: o\n\n' | sendmail byuid
wait_for 10 grep -q '^K byuid' "$kept/jobs"; ok $? "by uid, of what inject handed in"
printf 'Subject: o\n\n' | sendmail anybody
wait_for 10 grep -q '^K bygroup' "$kept/jobs"; ok $? "by group"
python3 - "$chain/trusted.ctrl" > "$scratch/handed" <<'EOP'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
for f in ('Hsmtpd 1', 'M' + '0123456789abcdef' * 2, 'Sx@example.org', 'Aclient=192.0.2.7', 'Rjoe', 'BSubject: o\n\n', 'E'):
    s.sendall(b'%d:%s,' % (len(f), f.encode()))
s.settimeout(5)
got = b''
while b'K0123' not in got:
    got += s.recv(1000)
EOP
wait_for 10 grep -q '^K client' "$kept/jobs"; ok $? "by the client of what smtpd handed in"

# The same by smtpd itself, and by the groups that its client is in; what inject claims of groups is not believed
printf '%s\n' 'retry 1s until 1d' 'route client-group office rcpt grouped to test:grouped' 'route client-group /^(n).*r$/ to test:never' 'route client 192.0.2.0/24 to test:inbox' \
	'route client 127.0.0.0/8 origin smtpd to test:loopback' 'route all to test:inbox' > "$conf"; restart
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf '%s\n' 'name mx.example' 'group office net 127.0.0.0/8' 'group never net 192.0.2.0/24' > "$scratch/smtpd.conf"
"$bin/deaddrop-smtpd" --config "$scratch/smtpd.conf" --out "$chain/trusted.ctrl" --port "$port" 2>> "$scratch/log/smtpd" < /dev/null & smtpd=$!
wait_for 5 grep -q 'smtpd: start' "$scratch/log/smtpd"
: > "$kept/jobs"
python3 -c 'import smtplib, sys; smtplib.SMTP("127.0.0.1", int(sys.argv[1])).sendmail("a@b.example", ["joe@localhost"], "Subject: by smtpd\n\nx\n")' "$port"; is $? 0 "smtpd takes a message"
wait_for 10 grep -q '^K loopback' "$kept/jobs"; ok $? "by the client that smtpd saw"; diag "$(cat "$kept/jobs")"
python3 -c 'import smtplib, sys; smtplib.SMTP("127.0.0.1", int(sys.argv[1])).sendmail("a@b.example", ["grouped@localhost"], "Subject: by group\n\nx\n")' "$port"
wait_for 10 grep -q '^K grouped' "$kept/jobs"; ok $? "by a group of smtpd.conf"; diag "$(cat "$kept/jobs")"
: > "$kept/jobs"
python3 - "$chain/queue.ctrl" > /dev/null <<'EOP'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
for f in ('Hinject 1', 'M' + 'fedcba9876543210' * 2, 'Sx@example.org', 'Agroups=office', 'Rgrouped', 'BSubject: o\n\n', 'E'):
    s.sendall(b'%d:%s,' % (len(f), f.encode()))
s.settimeout(5)
got = b''
while b'Kfedc' not in got:
    got += s.recv(1000)
EOP
wait_for 10 grep -q '^K inbox' "$kept/jobs"; ok $? "not by what anybody claims"; diag "$(cat "$kept/jobs")"
kill "$smtpd"; wait "$smtpd" 2>/dev/null

# A deliverer gone mad
echo 'route all to test:x' > "$conf"; echo 'retry 1s until 1d' >> "$conf"
restart
for how in garbage half; do
	echo "* $how" > "$rules"; : > "$kept/jobs"
	printf 'Subject: %s\n\n' $how | sendmail x
	wait_for 10 grep -q "^$how" "$kept/jobs"
	echo '* K 2.0.0 kept' > "$rules"
	wait_for 10 grep -q '^K x .*unclear=1' "$kept/jobs"; ok $? "a deliverer that answers $how: tried again as unclear"
	wait_for 5 spool_is_empty; ok $? "and delivered"
done
echo '* die' > "$rules"; : > "$kept/jobs"
printf 'Subject: die\n\n' | sendmail x
wait_for 10 grep -q "^die" "$kept/jobs"
rm -f "$chain/test.ctrl"; wait "$(cat "$scratch/drop.pid")" 2>/dev/null; echo '* K 2.0.0 kept' > "$rules"; drop_start
wait_for 10 grep -q '^K x .*unclear=1' "$kept/jobs"; ok $? "one that dies with a job: tried again as unclear"
wait_for 5 spool_is_empty; ok $? "and delivered"
# One that says nothing holds nobody else up
printf '%s\n' 'quiet silent' '* K 2.0.0 kept' > "$rules"; : > "$kept/jobs"
printf '%s\n' 'retry 1s until 1d' 'route rcpt quiet to test:quiet' 'route all to local:inbox' > "$conf"
restart
printf 'Subject: q\n\n' | sendmail quiet
wait_for 5 grep -q '^silent' "$kept/jobs"
printf 'Subject: others\n\n' | sendmail joe
wait_for 5 arrived_are 1; ok $? "a drop that says nothing holds up no other"
chain_stop
done_testing

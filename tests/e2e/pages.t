#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Examples of the manual pages and of --help, run as they stand there.
. "$(dirname "$0")/lib.sh"
PATH=$bin:$PATH
# literal PAGE FIRST LAST: the lines of its literal displays from one that holds FIRST to one that holds LAST
literal() { sed -n '/^\.Bd -literal/,/^\.Ed/p' "$top/$1" | sed '/^\./d; s/\\e/\\/g; s/\\&//g' | sed -n "/$2/,/$3/p"; }

chain_make
chain_start
literal lib/deaddrop-control.7 '^printf' 'socat' | sed "s|socat .*|python3 $scratch/talk.py $chain/queue.ctrl|" > "$scratch/example"
cat > "$scratch/talk.py" <<-'TXT'
	import socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.settimeout(10)
	s.connect(sys.argv[1])
	s.sendall(sys.stdin.buffer.read())
	got = b''
	while b':K' not in got and b':X' not in got and b':Z' not in got:
	    part = s.recv(4096)
	    if not part:
	        break
	    got += part
	print(got.decode())
TXT
if command -v python3 >/dev/null; then
	like "$(sh "$scratch/example" 2>&1)" ':K0123456789abcdef0123456789abcdef ' "deaddrop-control(7): a message handed in from a shell is accepted"
	wait_for 10 arrived_are 1; ok $? "and arrives"
	is "$(tail -n 1 "$inbox"/new/*)" hi "with its text"
else
	skip "needs python3"
fi

mkdir "$scratch/queue"
literal queue/deaddrop-queue.8 '^mkdir' '^less' | sed 's/^less/cat/' > "$scratch/example"
echo wait >> "$scratch/example"
like "$(cd "$scratch/queue" && sh "$scratch/example" 2>/dev/null | tr -d '\000')" '^hello$' "deaddrop-queue(8): by hand"
mkdir "$scratch/queue/outcome"
(cd "$scratch/queue" && exec deaddrop-local --in local.ctrl --once 2>/dev/null) &
wait_for 5 test -S "$scratch/queue/local.ctrl"
(cd "$scratch/queue" && timeout 30 deaddrop-send --once 2>/dev/null); is $? 0 "deaddrop-send(8): by hand"
is "$(tail -n 1 "$scratch"/queue/inbox/new/*)" hello "delivers it"

literal local/deaddrop-local.8 '^drop inbox' '^drop user' |
	sed -e "s|/var/mail/|$scratch/var/mail/|g" -e 's|/usr/local/bin/to-news -x|/bin/cat|' \
		-e "s|group frank|group $(id -gn)|" -e "s|user news|user nobody|" > "$scratch/local.conf"
is "$(grep -c '^drop' "$scratch/local.conf")" 7 "deaddrop-local(8) has a configuration"
if [ "$(id -u)" = 0 ]; then
	like "$(deaddrop-local --check --config "$scratch/local.conf" 2>&1)" 'configuration is fine' "that is right"
else
	skip "needs root"
fi

# The smarthost of those who come from other programs: three files, each behind a comment that names it
mkdir "$scratch/etc"
literal lib/deaddrop.7 '^# .etc.deaddrop.send.conf' '^from replace' | sed "s|aliases /etc/aliases|aliases $scratch/etc/aliases|" |
	awk -v etc="$scratch/etc" '/^# .etc.deaddrop/ { file = etc "/" substr($2, 15); next } { print > file }'
echo 'root: frank@example.net' > "$scratch/etc/aliases"
echo secret > "$scratch/etc/relay.pw"
like "$(deaddrop-send --check --out remote.ctrl --config "$scratch/etc/send.conf" --spool "$chain" 2>&1)" 'configuration is fine' "deaddrop(7): send.conf is right"
like "$(deaddrop-send --explain root --config "$scratch/etc/send.conf" --spool "$chain" 2>&1)" 'remote:smarthost' "and leads to the smarthost"
like "$(deaddrop-remote --config "$scratch/etc/remote.conf" --drop none --recipient a 2>&1)" 'no such drop' "remote.conf is right"
like "$(printf 'From: a@b.example\n\n' | deaddrop-inject --config "$scratch/etc/inject.conf" --out "$chain/queue.ctrl" -v root 2>&1)" '^accepted' "and inject.conf"

# Users and paths that service/setup makes are those of the examples
for page in "$top"/*/*.8; do
	for user in $(sed -n 's/.*--user \([a-z-]*\).*/\1/p' "$page"); do
		like "$user" '^deaddrop-(queue|send|local|smtpd|imap|remote)$' "${page##*/}: user $user is one of service/setup"
	done
done
for stage in queue send local smtpd imap remote; do
	for user in $("deaddrop-$stage" --help | sed -n '/^Examples/,$s/.*--user \([a-z-]*\).*/\1/p'); do
		is "$user" "deaddrop-$stage" "deaddrop-$stage --help: its own user"
	done
done
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What is said to who makes a mistake: what is wrong, where, and what to do; and the exit status that the manual pages promise.
. "$(dirname "$0")/lib.sh"
PATH=$bin:$PATH
cd "$scratch" || exit 1

says() {		# STATUS PATTERN COMMAND...
	want=$1 pattern=$2; shift 2
	out=$(timeout 30 "$@" < /dev/null 2>&1); is $? "$want" "$*: exit status $want"
	like "$out" "$pattern" "and says so"
}
config() {		# STAGE TEXT PATTERN
	printf '%s\n' "$2" > "$1.conf"
	says 78 "$1.conf:1: $3" "deaddrop-$1" --check --config "$1.conf"
}
here='does not exist; make it with service/setup or mkdir'
says 66 "journal $here" deaddrop-queue --in q.ctrl --spool .
says 66 "/nowhere(/journal)? $here" deaddrop-queue --in q.ctrl --spool /nowhere
says 66 "/nowhere $here" deaddrop-send --in s.ctrl --spool /nowhere
mkdir outcome
says 66 "journal $here" deaddrop-send --once --spool .
says 78 'deaddrop-inject: configuration /nowhere: No such file' deaddrop-inject --config /nowhere root
for stage in send local imap remote; do
	says 78 "deaddrop-$stage: configuration /nowhere: No such file" "deaddrop-$stage" --config /nowhere --in x.ctrl
done
says 64 'unknown option --inmode; is --in-mode meant' deaddrop-queue --inmode 0666
says 64 'unknown option --cofig; is --config meant' deaddrop-send --cofig x
says 64 'unknown option --nonsense$' sh -c 'deaddrop-queue --nonsense 2>&1 | head -n 1; exit 64'

config smtpd 'listen nosuch port 25' 'nosuch is no address'
config local 'drop inbox maildir /dev/null' 'drop inbox: /dev/null: Not a directory'
config local 'drop inbox mbox /dev' 'drop inbox: /dev is no file of one name'
config local 'drop news pipe news' "drop news: (a program's absolute path|a program is not run as root)"
printf 'drop one maildir %s/one\n\ndrop two maildir /dev/null/two\n' "$scratch" > local.conf
says 73 'local.conf:3: drop two: ' deaddrop-local --config local.conf --in l.ctrl

# A list of one, and a send that is not there
mkdir -p journal deferred dead; rm -f q.ctrl
deaddrop-queue --in q.ctrl --once --spool . 2> /dev/null &
wait_for 5 test -S q.ctrl
printf 'Subject: one\n\nx\n' | deaddrop-inject --out q.ctrl root; wait
says 0 '^-- 1 message, [0-9]+ bytes$' deaddrop-mailq --spool .
says 0 'admin.ctrl: No such file or directory; is deaddrop-send running' deaddrop-mailq --admin ./admin.ctrl --spool .
if [ "$(id -u)" = 0 ]; then
	mkdir -p theirs/journal && chmod 0700 theirs/journal
	mkdir -m 0777 open
	says 66 'open .*journal: Permission denied; it must belong' setpriv --reuid nobody --regid nogroup --clear-groups deaddrop-queue --in "$scratch/open/q" --spool "$scratch/theirs"
else
	skip "needs root"
fi
done_testing

# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-local as the delivery program of a real mail system: what is asked of each of them. A test sources this file, makes mda_start, mda_flush and mda_queue,
# and calls mda_tests. It runs within tests/peers, where users may be made.
. "$(dirname "$0")/lib.sh"
need_root
command -v python3 >/dev/null 2>&1 || plan_skip "no python3"
mda_inside() {		# PACKAGE...: goes on within the namespaces
	[ -n "${DEADDROP_INSIDE-}" ] && return
	rm -rf "$scratch"; trap - EXIT
	"$top/tests/peers" "$@" -- env DEADDROP_INSIDE=1 LOCAL_BIN="${LOCAL_BIN:-$bin}" "$0" 2> /tmp/deaddrop-peers.$$
	mda_status=$?
	mda_why=$(tail -n 1 /tmp/deaddrop-peers.$$); [ $mda_status = 0 ] || cat /tmp/deaddrop-peers.$$ >&2; rm -f /tmp/deaddrop-peers.$$
	[ $mda_status = 77 ] && plan_skip "$mda_why"
	exit $mda_status
}
# The program: keeps what it was given, and its environment, and hands both to deaddrop-local
mda_setup() {
	d=$scratch
	bin=${LOCAL_BIN:-$bin}
	cp "$bin/deaddrop-local" "$d/deaddrop-local"
	mkdir -m 1777 "$d/given"
	cat > "$d/mda" <<-END
		#!/bin/sh
		given=\$(mktemp $d/given/XXXXXX) && cat > "\$given" && env > "\$given.env"
		case \$EXTENSION in
		refuse) exec $d/deaddrop-local --pipe "/bin/sh -c 'cat > /dev/null; echo no such luck; exit 67'" < "\$given" ;;
		mbox) exec $d/deaddrop-local --mbox "\$HOME/box" < "\$given" ;;
		mh) exec $d/deaddrop-local --mh "\$HOME/mh" < "\$given" ;;
		esac
		exec $d/deaddrop-local < "\$given"
	END
	chmod 755 "$d/mda"
	for mda_user in ddalice ddbob; do useradd -m -s /bin/sh $mda_user && su $mda_user -c 'mkdir -m 700 ~/Maildir'; done || plan_skip "no users can be made"
	alice=/home/ddalice bob=/home/ddbob
	cat > "$d/smtp.py" <<-'END'
		import socket, sys
		port, sender, rcpt = int(sys.argv[1]), sys.argv[2], sys.argv[3]
		def session(name):
		    s = socket.create_connection(('127.0.0.1', port)); f = s.makefile('rb')
		    def say(line, want):
		        if line is not None: s.sendall(line + b'\r\n')
		        while True:
		            answer = f.readline()
		            if answer[3:4] != b'-': break
		        if answer[:1] != want: raise ValueError('%s: %r: %r' % (name, line, answer))
		    say(None, b'2'); say(b'EHLO client.test', b'2')
		    text = open(name, 'rb').read()
		    say(b'MAIL FROM:<' + sender.encode() + b'>', b'2'); say(b'RCPT TO:<' + rcpt.encode() + b'>', b'2'); say(b'DATA', b'3')
		    for line in (text[:-1] if text.endswith(b'\n') else text).split(b'\n'):
		        line = line[:-1] if line.endswith(b'\r') else line
		        s.sendall((b'.' if line.startswith(b'.') else b'') + line + b'\r\n')
		    say(b'.', b'2'); say(b'QUIT', b'2')
		for name in sys.argv[4:]:
		    try: session(name); print('taken')
		    except (ValueError, OSError) as e: print(e)
	END
	cat > "$d/compare.py" <<-'END'
		# Whether the files of new are what the program was given, byte for byte; how many bodies are the corpus's own
		import os, re, sys
		given, new, corpus = sys.argv[1:4]
		read = lambda p: open(p, 'rb').read()
		def bare(text):
		    text = re.sub(rb'\AFrom [^\n]*\n', b'', text)
		    while True:
		        m = re.match(rb'(?i)(Return-Path|Delivered-To|X-Original-To|Envelope-To|Delivery-Date):[^\n]*\n', text)
		        if not m: return text
		        text = text[m.end():]
		want = sorted(bare(read(os.path.join(given, f))) for f in os.listdir(given) if not f.endswith('.env'))
		raw = [read(os.path.join(new, f)) for f in os.listdir(new)]
		got = sorted(map(bare, raw))
		twice = [t for t in raw for h in [t.split(b'\n\n')[0]] for n in (b'Return-Path:', b'Delivered-To:') if len(re.findall(rb'(?mi)\A(?:.*\n)*?%s' % n, h[:300])) and h[:600].count(n) > 1]
		body = lambda t: (t.split(b'\n\n', 1) + [b''])[1].rstrip(b'\n')
		bodies = [body(t) for t in got]
		corpus = [read(os.path.join(corpus, f)) for f in sorted(os.listdir(corpus))]
		whole = sum(body(c.replace(b'\r\n', b'\n')) in bodies for c in corpus)
		print('%s %d %d' % ('same' if got == want else 'other', len(got), len(twice)))
		print('%d of %d bodies of the corpus' % (whole, len(corpus)), file=sys.stderr)
	END
}
mda_new() { ls "$1/Maildir/new" 2>/dev/null | wc -l; }
mda_new_are() { [ "$(mda_new "$1")" = "$2" ]; }
mda_forget() { rm -f "$d"/given/* "$alice"/Maildir/new/* "$bob"/Maildir/new/*; }
mda_env() { cat "$d"/given/*.env | grep -cE "^$1\$"; }
# What the system itself refuses (OpenSMTPD: long lines) is not for us.
mda_smtp() { python3 "$d/smtp.py" "$mda_port" "$@" > "$d/smtp.out" 2>&1; grep -v taken "$d/smtp.out" | cut -c1-200 | sed 's/^/# /'; }

# mda_tests NAME DOMAIN: all of it, for a system that listens on $mda_port
mda_tests() {
	printf 'Subject: hi\nFrom: ddbob@%s\nTo: ddalice@%s\n\nFrom me\nbody\n' "$2" "$2" > "$d/message"
	mda_smtp "ddbob@$2" "ddalice@$2" "$top"/tests/corpus/messages/*
	count=$(grep -c taken "$d/smtp.out"); [ "$count" -ge 20 ]; ok $? "$1 takes the corpus"
	wait_for 30 mda_new_are $alice $count; is "$(mda_new $alice)" $count "$1 delivers the corpus by deaddrop-local, $count messages" || diag "$(mda_queue)"
	is "$(python3 "$d/compare.py" "$d/given" "$alice/Maildir/new" "$top/tests/corpus/messages" 2> "$d/bodies")" "same $count 0" "each is what $1 handed over, byte for byte, with one trace"
	diag "$(cat "$d/bodies"): the others $1 changed before"
	is "$(stat -c '%U %a' $alice/Maildir/new/* | sort -u)" "ddalice 600" "hers alone"
	is "$(cat $alice/Maildir/new/* | grep -c "^Return-Path: <ddbob@$2>")" $count "the sender is known"

	mda_forget
	mda_smtp "ddbob@$2" "ddalice+lists@$2" "$d/message"
	wait_for 20 mda_new_are $alice 1; is "$(mda_new $alice) $(mda_env EXTENSION=lists)" '1 1' "an extension address; the extension is told" || diag "$(mda_queue)"
	is "$(grep -c "^Delivered-To: ddalice+lists@$2" $alice/Maildir/new/*)" 1 "and stands in Delivered-To"
	mda_smtp "ddbob@$2" "ddalice+mbox@$2" "$d/message"; wait_for 20 test -s $alice/box
	is "$(grep -c "^From ddbob@$2 " $alice/box) $(grep -c '^>From me' $alice/box) $(grep -c '^From ' $alice/box)" '1 1 1' "into an mbox file"
	mda_smtp "ddbob@$2" "ddalice+mh@$2" "$d/message"; wait_for 20 test -s $alice/mh/1
	is "$(tail -n 1 $alice/mh/1) $(cat $alice/mh/.mh_sequences)" 'body unseen: 1' "into an MH folder"

	mda_forget
	mv $alice/Maildir $alice/away; : > $alice/Maildir; mv $alice/box $alice/box.0; mkdir $alice/mbox
	mda_smtp "ddbob@$2" "ddalice@$2" "$d/message"
	wait_for 20 mda_given 1; wait_for 10 mda_is_deferred
	mda_is_deferred; is "$? $(mda_new $bob)" '0 0' "what deaddrop-local answers with 75 is deferred" || diag "$(mda_queue)"
	rm $alice/Maildir; rmdir $alice/mbox; mv $alice/away $alice/Maildir
	mda_flush; wait_for 30 mda_new_are $alice 1; is "$(mda_new $alice)" 1 "and arrives later" || diag "$(mda_queue)"

	mda_forget
	mda_smtp "ddbob@$2" "ddalice+refuse@$2" "$d/message"
	wait_for 30 mda_new_are $bob 1; is "$(mda_new $alice) $(mda_new $bob)" '0 1' "what is refused bounces, and the bounce is delivered by deaddrop-local" || diag "$(mda_queue)"
	is "$(head -n 1 $bob/Maildir/new/*)" 'Return-Path: <>' "from the null sender"
	like "$(cat $bob/Maildir/new/*)" "no such luck" "with the program's last words"
	mda_queue_is_empty; is $? 0 "nothing is left in the queue of $1" || diag "$(mda_queue)"
}
mda_given() { [ "$(ls "$d/given" | grep -c env)" -ge "$1" ]; }

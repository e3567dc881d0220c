#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Others read what deaddrop-local wrote, and write to the same mailboxes at the same time. Programs that are not installed are passed over.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null 2>&1 || plan_skip "no python3"
# Dovecot does not touch mail as root
if [ "$(id -u)" = 0 ]; then
	chmod 755 "$scratch"; rm -rf "$scratch"
	chain_stop() { :; }
	exec setpriv --reuid nobody --regid nogroup --clear-groups env PATH="/usr/bin:$PATH" "$0"
fi
bin=${LOCAL_BIN:-$bin} tools=${LOCAL_TOOLS:-$tools}
job=$tools/e2e/local_job
d=$scratch
HOME=$d/home; export HOME; mkdir -p "$HOME/Mail"
cat > "$d/local.conf" <<-END
	drop maildir maildir $d/box/maildir mode 0666
	drop mh      mh      $d/box/mh mode 0666
	drop mbox    mbox    $d/box/mbox mode 0666
END
mkdir "$d/box"
"$bin/deaddrop-local" --config "$d/local.conf" --in "$d/local.ctrl" 2>> "$d/log" & pid=$!
chain_cleanup() { kill $pid 2>/dev/null; }

# The corpus, in each kind
count=0
for message in "$top"/tests/corpus/messages/*; do
	[ -f "$message" ] || continue
	count=$((count + 1))
	for kind in maildir mh mbox; do
		"$job" -n $((count * 10)) "$d/local.ctrl" $kind root@host frank < "$message" > "$d/answer" || { diag "$kind: $message: $(cat "$d/answer")"; echo "$message" >> "$d/wrong"; }
	done
done
[ $count -gt 0 ] && [ ! -e "$d/wrong" ]; ok $? "$count messages of the corpus are taken by each kind"
cat > "$d/compare.py" <<'END'
import mailbox, os, re, sys
corpus, box = sys.argv[1:3]
want = sorted(open(os.path.join(corpus, f), 'rb').read() for f in os.listdir(corpus) if os.path.isfile(os.path.join(corpus, f)))
trace = b'Return-Path: <root@host>\nDelivered-To: frank\n'
def check(name, got, want):
    got, want = sorted(got), sorted(want)
    lost = [w for w in want if w not in got]
    print('%s %s %d %d' % ('ok' if got == want else 'bad', name, len(got), len(lost)))
    for w in lost[:3]: print('#', w[-200:], [g[-200:] for g in got if g not in want][:3])
raw = lambda path, names: [open(os.path.join(path, n), 'rb').read() for n in names]
md = os.path.join(box, 'maildir/new')
check('maildir', raw(md, os.listdir(md)), [trace + w for w in want])
mh = mailbox.MH(os.path.join(box, 'mh'))
check('mh', raw(os.path.join(box, 'mh'), [str(k) for k in mh.keys()]), [trace + w for w in want])
check('mh-unseen', [str(k).encode() for k in mh.get_sequences()['unseen']], [str(k).encode() for k in mh.keys()])
mb = mailbox.mbox(os.path.join(box, 'mbox'), create=False)
unquote = lambda m: re.sub(rb'(?m)^>(>*From )', rb'\1', m)
check('mbox', [unquote(mb.get_bytes(k)) for k in mb.keys()], [trace + (w if w.endswith(b'\n') or not w else w + b'\n') for w in want])
END
python3 "$d/compare.py" "$top/tests/corpus/messages" "$d/box" > "$d/compared"
for kind in maildir mh mh-unseen mbox; do is "$(grep "$kind " "$d/compared")" "ok $kind $count 0" "Python's mailbox reads them from the $kind, byte for byte"; done
compare=$top/tests/e2e/local_compare.py
if command -v mutt >/dev/null 2>&1; then
	for kind in maildir mh mbox; do
		rm -rf "$d/copy"; cp -r "$d/box/$kind" "$d/copy"
		cat > "$d/muttrc" <<-END
			set quit=yes delete=no move=no confirmcreate=no confirmappend=no mbox_type=mbox read_inc=0 write_inc=0 header_cache="" wait_key=no
			set copy=yes mbox_type=Maildir
			push "<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>$d/read<enter><quit>"
		END
		rm -rf "$d/read"; mkdir "$d/read" "$d/read/cur" "$d/read/new" "$d/read/tmp"
		TERM=vt100 timeout 20 script -qec "mutt -n -F $d/muttrc -f $d/copy" /dev/null < /dev/null > "$d/mutt.out" 2>&1
		like "$(tr -cd '[:print:]' < "$d/mutt.out")" "Msgs:$count[^0-9]" "mutt lists the $kind"
		as=maildir; [ $kind != mbox ] || as=mbox
		is "$(python3 "$compare" $as "$d/box/$kind" files "$d/read")" "same $count" "and reads each message of it as it was delivered"
	done
else skip "no mutt"; fi
scan=$(command -v scan || ls /usr/bin/mh/scan 2>/dev/null)
if [ -n "$scan" ]; then
	printf 'Path: %s\n' "$d/box" > "$HOME/.mh_profile"
	is "$($scan +mh -format '%(msg)' 2>/dev/null | wc -l)" $count "nmh's scan lists the MH folder"
	"$(dirname "$scan")/packf" +mh all -file "$d/packed" > "$d/packf.out" 2>&1
	is "$(python3 "$compare" maildir "$d/box/mh" packf "$d/packed")" "same $count" "nmh's packf reads each as it was delivered"
	pick=$(dirname "$scan")/pick
	is "$($pick +mh unseen 2>/dev/null | wc -l)" $count "and has them all in its unseen sequence"
	"$(dirname "$scan")/mark" +mh -sequence unseen -delete 1 2>/dev/null
	"$job" -n 99999 "$d/local.ctrl" mh root@host frank < "$message" > /dev/null
	is "$($pick +mh unseen 2>/dev/null | tr '\n' ' ')" "$(seq 2 $((count + 1)) | tr '\n' ' ')" "what nmh changed in the sequence stays"
	rm "$d/box/mh/$((count + 1))"
else skip "no nmh"; fi
imap=/usr/lib/dovecot/imap
if [ -x $imap ]; then
	cat > "$d/dovecot.conf" <<-END
		log_path = $d/dovecot.log
		base_dir = $d/dovecot.run
		state_dir = $d/dovecot.run
		first_valid_uid = 0
		first_valid_gid = 0
		mail_fsync = never
		ssl = no
		mail_uid = $(id -un)
		mail_gid = $(id -gn)
		mailbox_list_index = no
		namespace inbox {
		  inbox = yes
		}
	END
	mkdir -p "$d/dovecot.run"
	for kind in maildir mbox; do
		rm -rf "$d/imap"; mkdir "$d/imap"; cp -r "$d/box/$kind" "$d/imap/box"
		location=maildir:$d/imap/box; [ $kind = maildir ] || location=mbox:$d/imap/dir:INBOX=$d/imap/box
		printf 'a STATUS INBOX (MESSAGES)\r\nb SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\nd LOGOUT\r\n' |
			USER=root MAIL=$location timeout 20 doveconf -f service=imap -c "$d/dovecot.conf" -e $imap > "$d/imap.out" 2>&1
		if grep -q PREAUTH "$d/imap.out"; then
			is "$(python3 "$compare" $kind "$d/box/$kind" imap "$d/imap.out")" "same $count" "Dovecot's IMAP server reads each message of the $kind as it was delivered"
		else skip "Dovecot does not run here: $(head -n 2 "$d/imap.out")"; fi
	done
else skip "no Dovecot"; fi
kill $pid; wait $pid 2>/dev/null

# At once: sixteen of us, half through the stage and half by hand, three of procmail, three of Dovecot or, for MH, of nmh
rm -rf "$d/box"; mkdir "$d/box"; printf 'Path: %s\n' "$d/box" > "$HOME/.mh_profile"; mkdir "$d/box/mh"
each=${LOCAL_EACH:-15}
"$bin/deaddrop-local" --config "$d/local.conf" --in "$d/local.ctrl" 2>> "$d/log" & pid=$!
message() { printf 'Received: by host with local\n id %s-%s;\nSubject: number %s-%s\nFrom: a@b\n\n' "$1" "$2" "$1" "$2"; seq 1 $((200 + $2 * 37)); printf 'The end of %s-%s\n' "$1" "$2"; }
writer() {		# kind number
	for n in $(seq $each); do
		message "$2" $n > "$d/m.$1.$2"
		case $2 in
		[1-8]) "$job" -n $(($2 * 1000 + n)) "$d/local.ctrl" $1 root@host frank < "$d/m.$1.$2" > /dev/null ;;
		9|1[0-6]) "$bin/deaddrop-local" --$1 "$d/box/$1" --sender root@host < "$d/m.$1.$2" 2>> "$d/log" ;;
		17|18|19) "$d/procmail" $1 "$2" ;;
		*) "$d/dovecot" $1 "$2" ;;
		esac || echo "$1 $2 $n $?" >> "$d/failed"
	done
}
own='exec "'$bin'/deaddrop-local" --$1 "'$d'/box/$1" --sender root@host < "'$d'/m.$1.$2"'
printf '#!/bin/sh\n%s\n' "$own" > "$d/procmail"; cp "$d/procmail" "$d/dovecot"
if command -v procmail >/dev/null 2>&1; then
	cat > "$d/procmail" <<-END
		#!/bin/sh
		case \$1 in maildir) to=$d/box/maildir/ ;; mh) to=$d/box/mh/. ;; mbox) to=$d/box/mbox ;; esac
		printf 'SHELL=/bin/sh\nVERBOSE=off\nDEFAULT=%s\nLOCKSLEEP=1\nLOGFILE=$d/procmail.log\n:0%s\n%s\n' \$to "\$([ \$1 != mbox ] || echo :)" \$to > "$d/rc.\$1.\$2"
		exec procmail -f root@host -m "$d/rc.\$1.\$2" < "$d/m.\$1.\$2" 2>> "$d/procmail.err"
	END
else skip "no procmail"; fi
lda=/usr/lib/dovecot/dovecot-lda rcvstore=/usr/lib/mh/rcvstore
if [ -x $lda ] && [ -x $imap ] && [ -x $rcvstore ]; then
	cat > "$d/dovecot" <<-END
		#!/bin/sh
		case \$1 in maildir) to=maildir:$d/box/maildir ;; mbox) to=mbox:$d/dir:INBOX=$d/box/mbox ;; mh) exec $rcvstore +mh < "$d/m.\$1.\$2" ;; esac
		exec $lda -c "$d/dovecot.conf" -o mail_location=\$to -o mbox_write_locks='dotlock fcntl' -f root@host < "$d/m.\$1.\$2"
	END
else lda=; skip "no dovecot-lda or no nmh"; fi
chmod +x "$d/procmail" "$d/dovecot"
cat > "$d/count.py" <<'END'
import mailbox, os, re, sys
kind, box, each = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == 'mbox':
    raw = open(box).read()
    parts = ['From ' + p for p in ('\n' + raw).split('\nFrom ')[1:]]
elif kind == 'mh':
    parts = [open(os.path.join(box, f)).read() for f in os.listdir(box) if f.isdigit()]
else:
    parts = [open(os.path.join(box, s, f)).read() for s in ('new', 'cur') for f in os.listdir(os.path.join(box, s))]
seen = []
for p in parts:
    m = re.search(r'^Subject: number (\d+)-(\d+)$', p, re.M)
    if not m:
        print('a part without a number:', repr(p[:200])); continue
    body = ''.join('%d\n' % i for i in range(1, 201 + int(m.group(2)) * 37)) + 'The end of %s-%s\n' % m.groups()
    text = p.split('\n\n', 1)[1].rstrip('\n') + '\n'
    if text != body: print('mixed:', m.groups())
    seen.append(m.groups())
want = [(str(w), str(n)) for w in range(1, 23) for n in range(1, each + 1)]
print('%d of %d, %d twice' % (len(set(seen) & set(want)), len(want), len(seen) - len(set(seen))))
END
for kind in mbox mh maildir; do
	rm -f "$d/failed"; pids=''
	for w in $(seq 22); do writer $kind $w & pids="$pids $!"; done
	for p in $pids; do wait $p; done
	is "$(cat "$d/failed" 2>/dev/null)" '' "16 of ours and 6 others write to one $kind: all succeeded"
	is "$(python3 "$d/count.py" $kind "$d/box/$kind" $each)" "$((22 * each)) of $((22 * each)), 0 twice" "nothing is lost or mixed"
done
[ ! -e "$d/procmail.log" ] || is "$(grep -c '^  Folder:' "$d/procmail.log")" $((9 * each)) "procmail wrote its part, to each kind"
[ -z "$lda" ] || is "$(grep -c 'saved mail to INBOX' "$d/dovecot.log")" $((6 * each)) "Dovecot's LDA wrote its part, to mbox and Maildir"
is "$(ls -A "$d/box" | grep -c lock)" 0 "no lock is left"
is "$(python3 -c "import mailbox; m = mailbox.MH('$d/box/mh'); print(len(set(m.get_sequences()['unseen']) - set(m.keys())))")" 0 "the MH sequences name nothing that is not there"
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The stage is killed at each system call of a delivery in turn. Another message may come first, then the attempt is repeated: the mailbox can be read, and holds the message once.
. "$(dirname "$0")/../e2e/lib.sh"
command -v strace >/dev/null 2>&1 || plan_skip "no strace"
command -v python3 >/dev/null 2>&1 || plan_skip "no python3"
bin=${LOCAL_BIN:-$bin} tools=${LOCAL_TOOLS:-$tools}
job=$tools/e2e/local_job
strace -o /dev/null -e inject=close:signal=KILL:when=60000 true 2>/dev/null || plan_skip "strace cannot trace here"
d=$scratch
cat > "$d/local.conf" <<-END
	drop maildir maildir $d/box/maildir
	drop mbox    mbox    $d/box/mbox
	drop append  append  $d/box/append
	drop mh      mh      $d/box/mh
	drop files   files   $d/box/files
END
{ printf 'Received: by host with local\n id 1234-5678;\nSubject: the one\nMessage-ID: <one@test>\n\n'; seq 1 ${LOCAL_LINES:-20000}; printf 'From here\nlast line\n'; } > "$d/one"
printf 'Received: by host with local\n id 9999-5678;\nSubject: other\nMessage-ID: <other@test>\n\nanother\n' > "$d/other"

cat > "$d/check.py" <<'END'
import mailbox, os, sys
kind, path, phase = sys.argv[1:4]
others = int(sys.argv[4])
body = open(os.path.dirname(sys.argv[0]) + '/one').read().split('\n\n', 1)[1]
def fail(why):
    print(why); sys.exit(1)
def texts():
    if not os.path.exists(path):
        return []
    if kind == 'maildir':
        return [open(os.path.join(path, sub, f)).read() for sub in ('new', 'cur') if os.path.isdir(os.path.join(path, sub)) for f in os.listdir(os.path.join(path, sub))]
    if kind in ('files', 'mh'):
        good = (lambda f: f.isdigit()) if kind == 'mh' else (lambda f: not f.startswith('.'))
        if kind == 'mh' and phase == 'end':
            mh = mailbox.MH(path)
            unseen = mh.get_sequences().get('unseen', [])
            if not set(unseen) <= set(mh.keys()):
                fail('unseen names what is not there')
        return [open(os.path.join(path, f)).read() for f in os.listdir(path) if good(f)]
    if kind == 'mbox':
        raw = open(path).read()
        if raw and not raw.startswith('From '):
            fail('no mbox')
        return [m.as_string(unixfrom=False) for m in mailbox.mbox(path, create=False)]
    raw = open(path).read()
    return ['Received:' + part for part in raw.split('Received:')[1:]]
found = texts()
ones = [t for t in found if 'Subject: the one' in t]
rest = [t for t in found if 'Subject: other' in t]
whole = body.replace('\nFrom here', '\n>From here') if kind == 'mbox' else body
if phase == 'between':
    if kind in ('maildir', 'files', 'mh') and [t for t in ones if not t.endswith('\n\n' + body)]:
        fail('a message that is not whole can be seen')
    sys.exit(0)
if len(ones) != 1 or len(rest) != others or len(found) != 1 + others:
    fail('%d copies, %d others of %d, %d in all' % (len(ones), len(rest), others, len(found)))
if not ones[0].rstrip('\n').endswith(whole.rstrip('\n')):
    fail('the message is not whole')
END

start() { "$bin/deaddrop-local" --config "$d/local.conf" --in "$d/local.ctrl" 2>> "$d/log" & pid=$!; }
stop() { kill $pid; wait $pid 2>/dev/null; }
tracing() { grep -q 'TracerPid:.[1-9]' /proc/$pid/status; }

# once KIND CALL WHEN OTHERS: a delivery that is killed there. True while there was such a call.
once() {
	rm -rf "$d/box"; mkdir "$d/box"
	start
	"$job" -n 1 "$d/local.ctrl" "$1" root frank < "$d/other" > /dev/null || echo "first delivery failed" >> "$d/wrong"
	strace -f -p $pid -o /dev/null -e "inject=$2:signal=KILL:when=$3" 2>/dev/null & tracer=$!
	wait_for 5 tracing
	"$job" $5 -n 1000 "$d/local.ctrl" "$1" root frank < "$d/one" > "$d/answer" 2>/dev/null
	answered=$?
	killed=1
	if [ $answered = 2 ]; then wait $pid 2>/dev/null; killed=0; else kill $pid; wait $pid 2>/dev/null; fi
	wait $tracer 2>/dev/null
	others=1
	# an answer before the end is a promise: the repeat then is one that was not asked for, and finds it
	[ $killed = 1 ] || python3 -SE "$d/check.py" "$1" "$d/box/$1" between $others >> "$d/wrong" || echo "^ $*: after the kill" >> "$d/wrong"
	start
	if [ "$4" = 2 ]; then
		"$job" -n 5 "$d/local.ctrl" "$1" root frank < "$d/other" > /dev/null || echo "$*: the other failed" >> "$d/wrong"
		others=2
	fi
	"$job" -u $5 -n 1000 "$d/local.ctrl" "$1" root frank < "$d/one" > "$d/answer" || echo "$*: the repeat: $(cat "$d/answer")" >> "$d/wrong"
	stop
	python3 -SE "$d/check.py" "$1" "$d/box/$1" end $others >> "$d/wrong" || echo "^ $*: after the repeat" >> "$d/wrong"
	runs=$((runs + 1))
	return $killed
}
# What changes something, in the short run, with another message between the kill and the repeat; LOCAL_ALL=1 takes more calls and both ways.
calls='openat writev pwrite64 copy_file_range fallocate fsync linkat renameat2 unlinkat' ways=2:-f
[ -z "${LOCAL_ALL-}" ] || { calls="$calls close fcntl write sync_file_range ftruncate sendmsg mkdirat"; ways='1: 2:-f'; }
for kind in ${LOCAL_KINDS:-maildir mbox append mh files}; do
	: > "$d/wrong"
	runs=0
	for call in $calls; do
		for way in $ways; do
			n=1 others=${way%%:*}
			# append cannot tell what stands before another's bytes from what somebody wrote: its page says so
			[ $kind != append ] || others=1
			while [ $n -le 20 ] && once $kind $call $n $others ${way#*:}; do n=$((n + 1)); done
		done
	done
	is "$(cat "$d/wrong")" '' "$kind: whole and once, however it is killed ($runs runs)"
done
done_testing

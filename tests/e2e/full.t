#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The spool on a full, small file system: senders get 75, what was accepted is delivered once there is room, no file is left behind.
. "$(dirname "$0")/lib.sh"
need_root
mkdir -p "$chain"
truncate -s 12M "$scratch/image"
if mkfs.ext4 -q -F -m 0 "$scratch/image" 2>/dev/null && mount -o loop "$scratch/image" "$chain" 2>/dev/null; then kind=ext4
elif mount -t tmpfs -o size=6m none "$chain" 2>/dev/null; then kind=tmpfs
else plan_skip "no file system can be mounted here"; fi
diag "the spool is on $kind"
chain_cleanup() { umount "$chain"; }
queue_options='--min-free 300K --key-hold 1'
chain_make
rm -rf "$chain/mail"; mkdir "$scratch/mail"; ln -s "$scratch/mail" "$chain/mail"
local_options="--inbox $scratch/mail/inbox"
inbox=$scratch/mail/inbox
stage_start queue; stage_start send
wait_for 5 test -S "$chain/queue.ctrl"

fill() {		# until sendmail says no, 400 messages at most
	n=0
	while [ $n -lt 400 ]; do
		n=$((n + 1))
		{ printf 'Subject: number %s.%d\n\n' "$1" $n; head -c "$2" "$scratch/text"; } | sendmail root 2> "$scratch/err"
		status=$?
		[ $status = 0 ] || break
		echo "$1.$n" >> "$scratch/accepted"
	done
}
seq 1 100000 > "$scratch/text"
fill large 200000
is $status 75 "a large message finds the spool full: 75"
like "$(cat "$scratch/err")" '(space|full|room)' "and the reason is told"
fill small 4000
is $status 75 "so does a small one"
diag "$(wc -l < "$scratch/accepted") accepted"
# Fill it to the last block behind queue's back: send must still get its work done once there is room
dd if=/dev/zero of="$chain/filler" bs=4096 2>/dev/null
stage_start local
sleep 2
rm -f "$chain/filler"
total=$(wc -l < "$scratch/accepted")
wait_for 60 arrived_are "$total"; ok $? "all that was accepted is delivered once there is room" || diag "$(arrived) of $total"
grep -h '^Subject: number' "$inbox"/new/* | sed 's/.*number //' | sort > "$scratch/arrived"
sort "$scratch/accepted" | cmp -s - "$scratch/arrived"; ok $? "each once, none else"
wait_for 20 spool_is_empty; ok $? "nothing waits"
printf 'Subject: room\n\nx\n' | sendmail root; is $? 0 "there is room for new mail"
wait_for 10 arrived_are $((total + 1))
stage_stop queue
left() { find "$chain/journal" "$chain/outcome" "$chain/deferred" "$chain/dead" -type f ! -name lock ! -name mark ! -name config; }
nothing_left() { [ -z "$(left)" ]; }
wait_for 10 nothing_left; is "$(left)" '' "no file is left behind"
done_testing

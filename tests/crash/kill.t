#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Stages are stopped, killed and started in any order while 2,000 messages pass through: none is lost, none arrives twice.
. "$(dirname "$0")/../e2e/lib.sh"
count=${KILL_COUNT:-2000} senders=4
queue_options='--key-hold 2'
chain_make
chain_start

sender() {		# number first last
	n=$2
	while [ $n -le "$3" ]; do
		# every 100th message takes the way of the large ones, and as many are of middling size: stored with the small, handed out as the large
		case $((n % 100)) in
		0) body=$scratch/large ;;
		50) body=$scratch/middling ;;
		*) body=$scratch/small ;;
		esac
		{ printf 'Subject: number %d\n\n' $n; cat "$body"; } | sendmail -i root 2>> "$scratch/err.$1"
		echo "$n $?" >> "$scratch/sent.$1"
		n=$((n + 1))
	done
}
seq 1 20 > "$scratch/small"
seq 1 60000 > "$scratch/large"
seq 1 20000 > "$scratch/middling"

pids=''
for s in $(seq $senders); do
	sender "$s" $(( (s - 1) * count / senders + 1 )) $(( s * count / senders )) &
	pids="$pids $!"
done
random() { od -An -N2 -tu2 /dev/urandom | tr -d ' '; }
some_run() { for p in $pids; do kill -0 "$p" 2>/dev/null && return 0; done; return 1; }
kills=0
while some_run; do
	set -- queue send local
	shift $(($(random) % 3))
	signal=KILL; [ $(($(random) % 3)) != 0 ] || signal=TERM
	stage_stop "$1" $signal
	[ $(($(random) % 4)) != 0 ] || sleep 0.2
	stage_start "$1"
	kills=$((kills + 1))
	sleep "0.0$(($(random) % 10))"
done
for p in $pids; do wait "$p"; done
diag "$kills stages killed or stopped"

is "$(cat "$scratch"/sent.* | wc -l)" "$count" "$count calls of sendmail ended"
accepted=$(cat "$scratch"/sent.* | grep -c ' 0$')
diag "$accepted accepted; other exit codes: $(cat "$scratch"/sent.* | grep -v ' 0$' | cut -d' ' -f2 | sort | uniq -c | tr '\n' ' ')"
wait_for 60 arrived_are "$accepted"
cat "$scratch"/sent.* | sed -n 's/ 0$//p' | sort > "$scratch/accepted"
grep -h '^Subject: number ' "$inbox"/new/* | sed 's/.*number //' | sort > "$scratch/arrived"
sort -u "$scratch/arrived" > "$scratch/unique"
is "$(comm -23 "$scratch/accepted" "$scratch/unique" | wc -l)" 0 "none is lost" 2>/dev/null ||
	diag "lost: $(comm -23 "$scratch/accepted" "$scratch/unique" | head | tr '\n' ' ')"
is "$(uniq -d "$scratch/arrived" | wc -l)" 0 "none arrived twice"
is "$(comm -13 "$scratch/accepted" "$scratch/unique" | wc -l)" 0 "none arrived whose sender was told that nothing was stored"
is "$(grep -l '^19999$' "$inbox"/new/* | xargs -r -n1 sh -c 'tail -n 1 "$0"' | sort | uniq -c | tr -s ' \n' ' ')" " $((count / 100)) 20000 $((count / 100)) 60000 " "large ones are whole"
wait_for 20 spool_is_empty; ok $? "nothing waits in the end"
messages_in_journal() { cat "$chain"/journal/[0-9]* 2>/dev/null | tr -d '\0' | head -c 1 | wc -c; }
no_journal() { [ "$(messages_in_journal)" = 0 ]; }
wait_for 20 no_journal; ok $? "no journal file with a message is left"
chain_stop
is "$(ls "$inbox/tmp" | wc -l)" 0 "nothing is left in tmp" || true
done_testing

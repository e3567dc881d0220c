#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# send is killed with jobs in hand and finds other routes when it is started again, over and over: each message is delivered once, at one drop.
. "$(dirname "$0")/../e2e/lib.sh"
count=${ROUTE_COUNT:-250} kills=${ROUTE_KILLS:-30}
queue_options='--key-hold 2'
chain_make
conf=$scratch/send.conf
printf 'drop %s maildir %s/mail/%s\n' a "$chain" a b "$chain" b c "$chain" c > "$scratch/local.conf"
mkdir -p "$chain/mail"
send_options="--config $conf"
local_start() {
	"$bin/deaddrop-local" --in "$chain/local.ctrl" --config "$scratch/local.conf" 2>> "$scratch/log/local" < /dev/null > /dev/null &
	echo $! > "$scratch/local.pid"
}
route() {		# route N: the drop of everybody
	case $(($1 % 3)) in 0) drop=a ;; 1) drop=b ;; 2) drop=c ;; esac
	printf 'joe: local:%s\n' $drop > "$scratch/aliases"
	printf 'retry 1s until 1d\naliases %s\nroute all to local:%s\n' "$scratch/aliases" $drop > "$conf"
}
route 0
"$bin/deaddrop-local" --check --config "$scratch/local.conf" > "$scratch/check" 2>&1; is $? 0 "local's configuration"; diag "$(cat "$scratch/check")"
local_start; stage_start send; stage_start queue; wait_for 5 test -S "$chain/queue.ctrl"
sender() {
	n=1
	while [ $n -le "$count" ]; do
		to=joe; [ $((n % 2)) = 0 ] || to=frank
		printf 'Subject: number %d\n\n' $n | sendmail -i $to || echo $n >> "$scratch/refused"
		n=$((n + 1)); sleep 0.02
	done
}
sender &
sender_pid=$!
random() { od -An -N2 -tu2 /dev/urandom | tr -d ' '; }
kill_nr=1
while [ $kill_nr -le "$kills" ]; do
	sleep "0.$(($(random) % 4))$(($(random) % 10))"
	[ $((kill_nr % 8)) != 0 ] || stage_stop local KILL
	stage_stop send KILL
	route $kill_nr
	[ $((kill_nr % 8)) != 0 ] || local_start
	stage_start send
	kill_nr=$((kill_nr + 1))
done
wait $sender_pid
is "$(cat "$scratch/refused" 2>/dev/null | wc -l)" 0 "all was accepted"
wait_for 60 spool_is_empty; ok $? "nothing waits in the end"
grep -hE '^Subject: number ' "$chain"/mail/?/new/* | sed 's/.*number //' | sort -n > "$scratch/arrived"
seq "$count" > "$scratch/wanted"
sort -nu "$scratch/arrived" > "$scratch/unique"
is "$(comm -23 "$scratch/wanted" "$scratch/unique" 2>/dev/null | wc -l)" 0 "none is lost"
is "$(uniq -d "$scratch/arrived" | wc -l)" 0 "none arrived twice"
diag "duplicates: $(uniq -d "$scratch/arrived" | tr '\n' ' ')"
for drop in a b c; do diag "$drop: $(ls "$chain/mail/$drop/new" 2>/dev/null | wc -l)"; done
like "$(grep -c earlier "$chain/log/send")" '^[1-9]' "earlier configurations were asked"
diag "$(grep -c earlier "$chain/log/send") times of $kills"
chain_stop
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What all stages take while nothing happens, with a configuration that has TLS, accounts and servers in it: the sum of PSS of the processes.
. "$(dirname "$0")/lib.sh"
command -v openssl >/dev/null || plan_skip "needs openssl"
chain_make
chain_start
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2 \
	-keyout "$scratch/key.pem" -out "$scratch/cert.pem" 2>/dev/null
(umask 077; echo secret > "$scratch/account.pw")
printf 'tls certificate %s key %s\nlisten %s mode 0600\n' "$scratch/cert.pem" "$scratch/key.pem" "$scratch/smtp.sock" > "$scratch/smtpd.conf"
printf 'drop phone { host imap.example.net; user frank; password-file %s }\n' "$scratch/account.pw" > "$scratch/imap.conf"
printf 'drop out { relay smtp.example.net port 587; user frank; password-file %s }\ndrop here { lmtp %s/lmtp }\n' \
	"$scratch/account.pw" "$scratch" > "$scratch/remote.conf"

others='smtpd imap remote' pids=''
chain_cleanup() { for pid in $pids; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done; }
start() {		# stage option...
	stage=$1; shift
	"$bin/deaddrop-$stage" --config "$scratch/$stage.conf" --notify-fd 3 "$@" > /dev/null 2> "$scratch/$stage.log" 3> "$scratch/$stage.ready" &
	pids="$pids $!"
	echo $! > "$scratch/$stage.pid"
	wait_for 5 test -s "$scratch/$stage.ready"; ok $? "$stage runs" || diag "$(cat "$scratch/$stage.log")"
}
start smtpd --out "$chain/queue.ctrl"
start imap --in "$chain/imap.ctrl"
start remote --in "$chain/remote.ctrl"
for n in $(seq 50); do printf 'Subject: %d\n\nx\n' "$n" | sendmail root; done
wait_for 10 arrived_are 50; ok $? "50 messages arrived"
sleep 1

sum=0
for stage in queue send local $others; do
	pid=$(cat "$scratch/$stage.pid")
	for process in $pid $(cat "/proc/$pid/task/$pid/children"); do
		pss=$(sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "/proc/$process/smaps_rollup")
		diag "$stage: PSS $pss kB"
		sum=$((sum + ${pss:-100000}))
	done
done
test "$sum" -lt 12288; ok $? "all stages together $sum kB: under 12 MB"
done_testing

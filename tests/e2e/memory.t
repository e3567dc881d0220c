#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the idle chain takes, after it has had some work: the sum of PSS of queue, send and local.
. "$(dirname "$0")/lib.sh"
chain_make
chain_start
for n in $(seq 50); do printf 'Subject: %d\n\nx\n' "$n" | sendmail root; done
wait_for 10 arrived_are 50; ok $? "50 messages arrived"
sleep 1
sum=0
for stage in queue send local; do
	pss=$(sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "/proc/$(cat "$scratch/$stage.pid")/smaps_rollup")
	diag "$stage: PSS $pss kB"
	sum=$((sum + pss))
done
test "$sum" -gt 0 && test "$sum" -lt 6144; ok $? "together $sum kB: under 6 MB"
done_testing

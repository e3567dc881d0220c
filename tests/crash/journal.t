#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A journal that was cut at any byte, or that has a flipped bit, and a message that looks like a record.
. "$(dirname "$0")/../e2e/lib.sh"
mk=$tools/crash/mkjournal
chain_make
for n in 1 2 3; do printf 'Subject: record %s\n\nbody\n' $n > "$scratch/m$n"; done
stage_start local
wait_for 5 test -S "$chain/local.ctrl"

fresh() { rm -rf "$inbox/new" "$chain"/journal/[0-9]* "$chain"/outcome/[0-9m]* "$chain"/deferred/* "$chain"/dead/*; }
send_once() { timeout 30 "$bin/deaddrop-send" --once --spool "$chain" --in "$chain/send.ctrl" --out "$chain/local.ctrl" 2>> "$chain/log/send"; }
subjects() { cat "$inbox"/new/* 2>/dev/null | sed -n 's/^Subject: record //p' | sort | tr -d '\n'; }
flip() { printf '%b' "$(printf '\\%03o' $(( $(od -An -tu1 -j "$2" -N1 "$1") ^ 1 )))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }

# Cut at every byte: whole records are delivered, the torn tail is not, and the file is not touched
set -- $("$mk" "$chain/journal" "$scratch/m1" "$scratch/m2" "$scratch/m3")
second=$3 third=$4 length=$5
bad='' touched='' cut=0
while [ $cut -le "$length" ]; do
	fresh
	set -- $("$mk" "$chain/journal" "$scratch/m1" "$scratch/m2" "$scratch/m3")
	truncate -s $cut "$chain/journal/$1"
	sum=$(cksum < "$chain/journal/$1")
	send_once
	want=''
	[ $cut -lt "$second" ] || want=1
	[ $cut -lt "$third" ] || want=12
	[ $cut -lt "$length" ] || want=123
	[ "$(subjects)" = "$want" ] || bad="$bad $cut:$(subjects)"
	if [ -f "$chain/journal/$1" ]; then [ "$(cksum < "$chain/journal/$1")" = "$sum" ] || touched="$touched $cut"; fi
	[ -z "$(ls "$chain/dead")" ] || bad="$bad $cut:dead"
	cut=$((cut + ${CUT_STEP:-1}))
done
is "$bad" '' "cut at each of $length bytes: the whole records are delivered, nothing else"
is "$touched" '' "and the file is left as it was"

# A flipped bit at every byte of a file that queue had finished
bad='' at=0
while [ $at -lt "$length" ]; do
	fresh
	set -- $("$mk" -e "$chain/journal" "$scratch/m1" "$scratch/m2" "$scratch/m3")
	flip "$chain/journal/$1" $at
	cp "$chain/journal/$1" "$scratch/flipped"
	send_once
	want=23
	[ $at -lt "$second" ] || want=13
	[ $at -lt "$third" ] || want=12
	[ "$(subjects)" = $want ] || bad="$bad $at:$(subjects)"
	cmp -s "$chain/dead/$1" "$scratch/flipped" || bad="$bad $at:not-in-dead"
	at=$((at + ${FLIP_STEP:-3}))
done
is "$bad" '' "a flipped bit: the file is kept in dead, the other records are delivered"
like "$(tail -n 20 "$chain/log/send")" 'damage' "and the log tells of it"

# A message with the bytes of a record in it, in a file whose first record is damaged, so that send has to look for the next one
fresh
set -- $("$mk" -e "$scratch" "$scratch/m3")
{ printf 'Subject: record 2\n\n'; cat "$scratch/$1"; } > "$scratch/m2-trap"
rm "$scratch/$1"
set -- $("$mk" -e "$chain/journal" "$scratch/m1" "$scratch/m2-trap" "$scratch/m1")
flip "$chain/journal/$1" $(($2 + 20))
send_once
is "$(ls "$inbox/new" | wc -l)" 2 "two messages: the trap's inner record is no message"
is "$(grep -l '^Subject: record 2' "$inbox"/new/* | wc -l)" 1 "the outer one is whole"
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Full file systems and quotas: whatever a delivery was at, it is told later, and nothing of the message can be seen.
. "$(dirname "$0")/lib.sh"
need_root
command -v python3 >/dev/null 2>&1 || plan_skip "no python3"
bin=${LOCAL_BIN:-$bin} tools=${LOCAL_TOOLS:-$tools}
job=$tools/e2e/local_job
d=$scratch
box=$d/box; mkdir "$box"
pid=''
. "$(dirname "$0")/local_full.sh"
chain_cleanup() { [ -z "$pid" ] || kill $pid 2>/dev/null; umount "$d/box" 2>/dev/null; }
begin() { rm -f "$d/local.ctrl"; "$bin/deaddrop-local" $1 --config "$d/local.conf" --in "$d/local.ctrl" 2>> "$d/log" & pid=$!; wait_for 5 test -S "$d/local.ctrl"; }
end() { kill $pid; wait $pid 2>/dev/null; pid=''; umount "$d/box"; }
run() { begin; fill_all $1; end; }
if mount -t tmpfs -o size=4m none "$d/box" 2>/dev/null; then run tmpfs; else skip "no tmpfs can be mounted"; fi
truncate -s 6M "$d/image"
if mkfs.ext4 -q -F -m 0 -O ^has_journal "$d/image" 2>/dev/null && mount -o loop "$d/image" "$d/box" 2>/dev/null; then run ext4; else skip "no ext4 can be mounted"; fi

# Each call that may find no room says so in turn, as with a quota, and as with a disk that fails
if command -v strace >/dev/null 2>&1 && strace -o /dev/null true 2>/dev/null; then
	tracing() { grep -q 'TracerPid:.[1-9]' /proc/$pid/status; }
	for kind in maildir mbox append mh files; do
		: > "$d/wrong"; tries=0
		for call in openat write writev pwrite64 copy_file_range fallocate fsync linkat renameat2 mkdirat ftruncate; do
			for error in EDQUOT EIO; do
				n=1
				while [ $n -le 6 ]; do
					begin --sandbox=off	# the filter would kill at the call number that strace puts in place
					strace -f -p $pid -o "$d/trace" -e "trace=$call" -e "inject=$call:error=$error:when=$n" 2>/dev/null & tracer=$!
					wait_for 5 tracing
					unclear=''; [ $((tries % 2)) = 0 ] || unclear=-u
					"$job" $unclear -f -n $((tries + 5000)) "$d/local.ctrl" $kind root frank < "$d/message" > "$d/answer"
					# what is said to be clear is not there; what is there and later is said to be unclear, or stays so
					case $unclear,$(tail -n 1 "$d/answer"),$(copies $kind) in
					*,K*,1 | *,unclear=0,0 | *,unclear=1,* | ,Z*,0 | -u,Z*,*) ;;
					*) echo "$call $n $error: $unclear $(copies $kind): $(cat "$d/answer")" >> "$d/wrong" ;; esac
					kill $pid; wait $pid 2>/dev/null; pid=''; wait $tracer 2>/dev/null
					hit=$(grep -c INJECTED "$d/trace")
					tries=$((tries + 1))
					grep -qE '^(K|Z 0 4\.)' "$d/answer" || echo "$call $n $error: $(cat "$d/answer")" >> "$d/wrong"
					# a copy_file_range or renameat2 that fails is tried in another way, a sync or a sequence that fails after the message is there: later, and found then
					[ -z "$(whole $kind)" ] || echo "$call $n $error: $(cat "$d/answer"): $(whole $kind)" >> "$d/wrong"
					if grep -q '^K' "$d/answer"; then want=1; else
						begin
						"$job" -u -f -n $((tries + 4999)) "$d/local.ctrl" $kind root frank < "$d/message" > "$d/answer"
						kill $pid; wait $pid 2>/dev/null; pid=''
					fi
					grep -q '^K' "$d/answer" || echo "$call $n $error: repeated: $(cat "$d/answer")" >> "$d/wrong"
					[ "$(copies $kind)" = 1 ] || echo "$call $n $error: $(copies $kind) copies" >> "$d/wrong"
					rm -rf "$d/box/$kind"
					[ "$hit" != 0 ] || break
					n=$((n + 1))
				done
			done
		done
		is "$(cat "$d/wrong")" '' "$kind: EDQUOT and EIO at every call ($tries tries)"
	done
	# Some file systems refuse even to cut off when they are full: then the mailbox stays locked until it has been done. The first is of the lock itself
	begin --sandbox=off
	strace -f -p $pid -o "$d/trace" -e inject=pwrite64:error=EDQUOT:when=4+ -e inject=ftruncate:error=EDQUOT:when=2+ 2>/dev/null & tracer=$!
	wait_for 5 tracing
	like "$("$job" -n 8000 "$d/local.ctrl" mbox root frank < "$d/message")" '^Z 0 4\.2\.2' "mbox: what cannot be written whole and not be cut off is later"
	[ -s "$d/box/mbox" ] && [ -e "$d/box/mbox.lock" ]; ok $? "and stays locked"
	kill $pid; wait $pid 2>/dev/null; wait $tracer 2>/dev/null; begin
	like "$("$job" -n 8001 "$d/local.ctrl" mbox root frank < "$d/small")" '^K 0 2\.0\.0 mbox at 0' "until somebody cuts it off"
	like "$("$job" -n 8000 "$d/local.ctrl" mbox root frank < "$d/message")" '^K' "and it is repeated"
	is "$(grep -c '^From ' "$d/box/mbox") $(copies mbox) $(whole mbox)$(ls "$d/box" | grep lock)" '2 1 ' "both are there, whole and once"
	kill $pid; wait $pid 2>/dev/null; pid=''
else skip "no strace"; fi
done_testing

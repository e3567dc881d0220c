#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Full file systems and quotas: whatever a delivery was at, it is told later, and nothing of the message can be seen.
. "$(dirname "$0")/lib.sh"
need_root
command -v python3 >/dev/null 2>&1 || plan_skip "no python3"
bin=${LOCAL_BIN:-$bin} tools=${LOCAL_TOOLS:-$tools}
job=$tools/e2e/local_job
d=$scratch
mkdir "$d/box"
pid=''
chain_cleanup() { [ -z "$pid" ] || kill $pid 2>/dev/null; umount "$d/box" 2>/dev/null; }
cat > "$d/local.conf" <<-END
	drop maildir maildir $d/box/maildir
	drop mbox    mbox    $d/box/mbox
	drop append  append  $d/box/append
	drop mh      mh      $d/box/mh
	drop files   files   $d/box/files
END
{ printf 'Received: by host with local\n id 1-1;\nSubject: one\n\n'; seq 1 40000; echo end; } > "$d/message"
printf 'Received: by host with local\n id 1-2;\nSubject: small\n\nx\nend\n' > "$d/small"
visible() { case $1 in
	maildir) find "$d/box/maildir/new" "$d/box/maildir/cur" -type f ;;
	mh) find "$d/box/mh" -type f -name '[0-9]*' ;;
	files) find "$d/box/files" -type f ! -name '.*' ;;
	*) echo "$d/box/$1" ;; esac; }
whole() { visible $1 | while read -r f; do [ ! -s "$f" ] || [ "$(tail -n 2 "$f" | grep -c '^end$')" = 1 ] || echo "$f"; done; }
copies() { visible $1 | xargs -r grep -h '^Subject: one' 2>/dev/null | wc -l; }

# fill KIND: deliveries until there is no room, then with every number of blocks free
fill() {
	: > "$d/answers"
	for n in $(seq 1 60); do
		"$job" -n $n "$d/local.ctrl" $1 root frank < "$d/message" > "$d/answer"; cat "$d/answer" >> "$d/answers"
		grep -q '^K' "$d/answer" || break
	done
	like "$(cat "$d/answer")" "^Z 0 (4\.3\.1|4\.2\.2)" "$2, $1: a message that has no room is told later"
	is "$(whole $1)" '' "no part of it can be seen"
	is "$(copies $1)" "$(grep -c '^K' "$d/answers")" "those before it are there"
}
edge() {		# with few blocks left
	dd if=/dev/zero of="$d/box/filler" bs=1k 2>/dev/null
	for free in 0 4 8 12 16 24 40 80 200; do
		size=$(stat -c %s "$d/box/filler"); truncate -s $((size > free * 1024 ? size - free * 1024 : 0)) "$d/box/filler"
		for kind in maildir mbox append mh files; do
			"$job" -n $((free + 500)) "$d/local.ctrl" $kind root frank < "$d/message" > "$d/answer"
			grep -qE '^(K|Z 0 4\.)' "$d/answer" || echo "$free $kind: $(cat "$d/answer")"
			"$job" -n $((free + 900)) "$d/local.ctrl" $kind root frank < "$d/small" > "$d/answer"
			grep -qE '^(K|Z 0 4\.)' "$d/answer" || echo "$free $kind: $(cat "$d/answer")"
			whole $kind
		done
		dd if=/dev/zero of="$d/box/filler" bs=1k 2>/dev/null
	done > "$d/wrong" 2>&1
	is "$(cat "$d/wrong")" '' "$1: with few blocks left every answer is done or later, and nothing partial can be seen"
	rm "$d/box/filler"
	for kind in maildir mbox append mh files; do
		rm -rf "$d/box/maildir/new/"* "$d/box/mh/"[0-9]* "$d/box/files/"*; : > "$d/box/mbox"; : > "$d/box/append"
		like "$("$job" -u -n 500 "$d/local.ctrl" $kind root frank < "$d/message")" '^K' "$kind: it arrives when there is room"
	done
	is "$(cd "$d/box"; find . -name '*.lock*' -o -path '*/tmp/*' -o -name ',*' -o -path '*/files/.*' | tr '\n' ' ')" '' "nothing is left of the attempts"
}
begin() { rm -f "$d/local.ctrl"; "$bin/deaddrop-local" $1 --config "$d/local.conf" --in "$d/local.ctrl" 2>> "$d/log" & pid=$!; wait_for 5 test -S "$d/local.ctrl"; }
end() { kill $pid; wait $pid 2>/dev/null; pid=''; umount "$d/box"; }
run() {
	begin
	for kind in maildir mbox append mh files; do
		fill $kind $1
		rm -rf "$d/box/maildir/new/"* "$d/box/mh/"[0-9]* "$d/box/files/"*; : > "$d/box/mbox"; : > "$d/box/append"
	done
	edge $1
	end
}
if mount -t tmpfs -o size=4m none "$d/box" 2>/dev/null; then run tmpfs; else skip "no tmpfs can be mounted"; fi
truncate -s 6M "$d/image"
if mkfs.ext4 -q -F -m 0 -O ^has_journal "$d/image" 2>/dev/null && mount -o loop "$d/image" "$d/box" 2>/dev/null; then run ext4; else skip "no ext4 can be mounted"; fi

# Each call that may find no room says so in turn, as with a quota, and as with a disk that fails
if command -v strace >/dev/null 2>&1 && strace -o /dev/null true 2>/dev/null; then
	tracing() { grep -q 'TracerPid:.[1-9]' /proc/$pid/status; }
	for kind in maildir mbox append mh files; do
		: > "$d/wrong"; tries=0
		for call in openat write writev pwrite64 copy_file_range fsync linkat renameat2 mkdirat ftruncate; do
			for error in EDQUOT EIO; do
				n=1
				while [ $n -le 6 ]; do
					begin --sandbox=off	# the filter would kill at the call number that strace puts in place
					strace -f -p $pid -o "$d/trace" -e "trace=$call" -e "inject=$call:error=$error:when=$n" 2>/dev/null & tracer=$!
					wait_for 5 tracing
					"$job" -f -n $((tries + 5000)) "$d/local.ctrl" $kind root frank < "$d/message" > "$d/answer"
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
else skip "no strace"; fi
done_testing

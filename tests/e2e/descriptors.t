#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What a supervisor's shell, or a caller, has left open: no stage, keeper or command has it.  What a stage was told of, it has.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || plan_skip "needs python3"

# Runs the rest of the line with descriptors 5, 9 and 200 on a file, and writes its pid into the first argument.
strays() {
	python3 - "$scratch/stray" "$@" <<-'PY'
		import os, sys
		stray, pid = sys.argv[1:3]
		fd = os.open(stray, os.O_RDWR | os.O_CREAT, 0o600)
		for number in 5, 9, 200:
		    os.dup2(fd, number, inheritable=True)
		open(pid, 'w').write(str(os.getpid()))
		os.dup2(os.open('/dev/null', os.O_RDONLY), 0)
		os.execv(sys.argv[3], sys.argv[3:])
	PY
}
children() { cat "/proc/$1/task/$1/children"; }
held() {		# those of a process that lead to the stray file
	for fd in "/proc/$1/fd"/*; do [ "$(readlink "$fd")" != "$scratch/stray" ] || echo "${fd##*/}"; done | tr '\n' ' '
}
ready() { grep -q ' start \|^start \|start version' "$scratch/log/$1"; }
is_free_of() {		# STAGE [keeper]
	wait_for 10 ready "$1"; ok $? "$1 runs" || diag "$(cat "$scratch/log/$1")"
	pid=$(cat "$scratch/$1.pid")
	is "$(held "$pid")" '' "$1 holds nothing that it was not told of"
	[ $# -gt 1 ] || return 0
	keepers=$(children "$pid")
	like "$keepers" '[0-9]' "$1 has a keeper"
	for keeper in $keepers; do is "$(held "$keeper")" '' "$1's keeper holds nothing either"; done
}
run() {			# STAGE ARGUMENT...
	stage=$1; shift
	strays "$scratch/$stage.pid" "$bin/deaddrop-$stage" "$@" 2> "$scratch/log/$stage" &
}

chain_make
run queue --in "$chain/queue.ctrl" --out "$chain/send.ctrl" --spool "$chain"
is_free_of queue
run send --in "$chain/send.ctrl" --in "$chain/admin.ctrl" --out "$chain/local.ctrl" --spool "$chain"
is_free_of send

cat > "$scratch/seen" <<-EOF
	#!/bin/sh
	cat > /dev/null
	ls -l /proc/self/fd > "$scratch/command"
EOF
chmod 755 "$scratch/seen"
user=''; [ "$(id -u)" != 0 ] || { user='user daemon'; : > "$scratch/command"; chmod 666 "$scratch/command"; }
echo "drop inbox pipe $scratch/seen $user" > "$scratch/local.conf"
run local --in "$chain/local.ctrl" --config "$scratch/local.conf"
is_free_of local keeper
echo 'Subject: hello' | sendmail someone; ok $? "a message is accepted"
wait_for 10 test -s "$scratch/command"; ok $? "and handed to a program" || diag "$(cat "$scratch/log/local")"
is "$(grep -c "$scratch/stray" "$scratch/command")" 0 "which holds nothing of the kind"

echo 'drop phone { host 127.0.0.1; port 1; tls none; user frank; password secret }' > "$scratch/imap.conf"
chmod 600 "$scratch/imap.conf"
run imap --in "$chain/imap.ctrl" --config "$scratch/imap.conf"
is_free_of imap keeper
echo 'drop out { relay localhost port 1 }' > "$scratch/remote.conf"
run remote --in "$chain/remote.ctrl" --config "$scratch/remote.conf"
is_free_of remote keeper
printf 'listen %s/smtpd\nrequire fcrdns\n' "$scratch" > "$scratch/smtpd.conf"
run smtpd --config "$scratch/smtpd.conf" --out "$chain/queue.ctrl"
is_free_of smtpd keeper
for stage in smtpd remote imap local send queue; do kill "$(cat "$scratch/$stage.pid")"; done
wait
rm -f "$scratch"/*.pid

# What it was told of
mkfifo "$scratch/notify"
cat "$scratch/notify" > "$scratch/notified" & reader=$!
"$bin/deaddrop-queue" --in "$chain/queue.ctrl" --spool "$chain" --notify-fd 7 7> "$scratch/notify" 2> "$scratch/log/queue" & pid=$!
wait $reader
is "$(od -An -c "$scratch/notified" | tr -d ' ')" '\n' "--notify-fd is kept until the stage is ready"
kill $pid; wait $pid
echo 'postmaster local:inbox' > "$scratch/send.conf"
out=$("$bin/deaddrop-send" --check --spool "$chain" --config /dev/fd/8 8< "$scratch/send.conf" 2>&1); is $? 0 "a path of the command line may be a descriptor's" || diag "$out"
printf 'drop phone { host 127.0.0.1; port 1; tls none; user frank; password-fd 6 }\n' > "$scratch/imap.conf"
out=$(echo secret | "$bin/deaddrop-imap" --check --config "$scratch/imap.conf" 6<&0 2>&1)
like "$out" 'refused' "a password's descriptor is kept until it is read"
done_testing

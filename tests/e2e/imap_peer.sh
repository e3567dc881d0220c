# SPDX-License-Identifier: GPL-3.0-or-later
# What the tests against real IMAP servers share: deaddrop-imap as a stage and by hand, and what their mailboxes hold.  A test sources this behind lib.sh, and sets
# peer_port (of TLS) and peer_ca, peer_user and peer_password, for a slow one peer_many; mailboxes are named as the server names them.
imap_bin=${DEADDROP_IMAP:-$bin/deaddrop-imap}
here=$top/tests/e2e
imap_pid=''
peer_many=300			# messages of a test
chain_stop() { :; }
# peers PACKAGE... : the test anew, inside
peers() {
	[ -z "${DEADDROP_INSIDE-}" ] || return 0
	[ -x "$imap_bin" ] || plan_skip "deaddrop-imap is not built"
	need_root
	"$top/tests/peers" "$@" -- env DEADDROP_INSIDE=1 "$0" 2> "$scratch/peers"
	peers_status=$?
	[ $peers_status != 77 ] || plan_skip "$(tail -n 1 "$scratch/peers")"
	cat "$scratch/peers" >&2
	exit $peers_status
}
peer_certificate() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout "$scratch/key.pem" -out "$scratch/cert.pem" 2>/dev/null
	cat "$scratch/key.pem" "$scratch/cert.pem" > "$scratch/both.pem"
}
imap_start() {
	mkdir -p "$scratch/jail"
	"$imap_bin" --in "$scratch/imap.ctrl" --config "$scratch/imap.conf" --chroot "$scratch/jail" --user nobody 2>> "$scratch/log" < /dev/null &
	imap_pid=$!
	wait_for 5 python3 -c "import socket; socket.socket(socket.AF_UNIX).connect('$scratch/imap.ctrl')"
}
imap_stop() { [ -z "$imap_pid" ] || { kill "-${1:-TERM}" "$imap_pid" 2>/dev/null; wait "$imap_pid" 2>/dev/null; imap_status=$?; imap_pid=; }; }
jobs() { python3 "$here/imap_jobs.py" "$scratch/imap.ctrl" "$@"; }
hand() { "$imap_bin" --config "$scratch/imap.conf" "$@"; }
peer_look() { python3 "$here/imap_peer.py" "$@" localhost "$peer_port" "$peer_ca" "$peer_user" "$peer_password"; }
once() { is "$(peer_look once "$1")" "$2 $2" "$3"; }		# once MAILBOX COUNT NAME
# peer_killed DROP MAILBOX: ours is killed in mid-append, again and again
peer_killed() {
	round=0
	while [ $round -lt 4 ]; do
		round=$((round + 1))
		jobs $peer_many "drop=$1" first=1000 unclear=1 wait="0.$((round * 7 % 10))5" > /dev/null 2>&1
		imap_stop KILL
		imap_start
	done
	is "$(jobs $peer_many "drop=$1" first=1000 unclear=1 wait=60)" "K=$peer_many" "killed four times in mid-append: all done at last"
	once "$2" $peer_many "each message exactly once"
}
# peer_broken DROP MAILBOX COMMAND...: the server's process is killed in mid-append
peer_broken() {
	broken_drop=$1 broken_box=$2; shift 2
	jobs $peer_many "drop=$broken_drop" first=3000 wait=90 > "$scratch/out" 2>/dev/null &
	jobs_pid=$!
	# in its own log, for a look into the mailbox takes longer than some servers need for all
	begun() { [ "$(grep -c "imap: done .* drop=$broken_drop " "$scratch/log")" -ge 20 ]; }
	wait_for 10 begun
	"$@"
	wait $jobs_pid
	like "$(cat "$scratch/out")" "^K=$peer_many\$" "the server's process killed in mid-append: all done"
	broken=$(grep -c "imap: account name=$broken_drop" "$scratch/log")
	if [ "$broken" = 0 ]; then skip "all was stored before the server's process was killed"; else like "$broken" "^[12]\$" "its connection broke"; fi
	once "$broken_box" $peer_many "each message exactly once"
}
# peer_import NAME-OF-DROP MAILBOX WIRE: a Maildir, killed once, run again; bytes, flags and dates
peer_import() {
	python3 "$here/imap_import.py" make "$scratch" $((peer_many * 10)) ${peer_plain-}
	: > "$scratch/err"
	"$imap_bin" --config "$scratch/imap.conf" --account "$1" --import "$scratch/Maildir" --mailbox "$2" -vv > "$scratch/out" 2> "$scratch/err" < /dev/null &
	import_pid=$!
	# some were answered: a group that is not is stored by no server
	begun() { { [ "$(grep -c '(the message)' "$scratch/err")" -ge $((peer_many * 2)) ] && grep -q APPENDUID "$scratch/err"; } || ! kill -0 $import_pid; }
	wait_for 40 begun
	kill -9 $import_pid; is $? 0 "an import is killed in mid-upload"
	wait $import_pid 2>/dev/null
	hand --account "$1" --import "$scratch/Maildir" --mailbox "$2" > "$scratch/out" 2> "$scratch/err" < /dev/null; is $? 0 "and run again"
	like "$(cat "$scratch/out")" 'there already [1-9]' "it goes on where it was"
	is "$(python3 "$here/imap_import.py" compare "$scratch" Maildir localhost "$peer_port" "$peer_ca" "$peer_user" "$peer_password" "$3" 2>&1)" same "each message once, with bytes, flags and dates"
}

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# service/setup for s6, OpenRC and systemd (runit and daemontools have installed.t): the chain runs under a real s6-svscan and a real
# supervise-daemon, and systemd's own verifier reads the units.
if [ -z "${DEADDROP_INSIDE-}" ]; then
	"$(dirname "$0")/../peers" s6 openrc systemd -- env DEADDROP_INSIDE=1 "$(cd "$(dirname "$0")" && pwd)/$(basename "$0")"
	status=$?
	[ $status != 77 ] || { echo '1..0 # SKIP the supervisors cannot be had here'; exit 0; }
	exit $status
fi
. "$(dirname "$0")/lib.sh"
home=$scratch/host
programs=$home/usr/sbin spool=$home/spool inbox=$home/spool/mail/inbox
make -s -C "$top" install PREFIX="$home/usr" > "$scratch/install.log" 2>&1; ok $? "make install" || diag "$(cat "$scratch/install.log")"
mkdir -p "$home/etc"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
echo "listen 127.0.0.1 port $port" > "$home/etc/smtpd.conf"

setup() {		# supervisor option...
	which=$1; shift
	case $which in
	openrc) scan=/etc/init.d ;;
	systemd) scan=/etc/systemd/system ;;
	*) scan=$home/scan-$which ;;
	esac
	"$top/service/setup" --supervisor "$which" --programs "$programs" --spool "$spool" --logs "$home/log" --etc "$home/etc" \
		--scan "$scan" --with smtpd "$@" > "$scratch/setup.log" 2>&1
}
works() {		# STATUS NAME: 0 is good
	ok "$1" "$2"; [ "$1" = 0 ] || diag "$(cat "$scratch/setup.log"; tail -n 5 "$home"/log/*/current 2>/dev/null)"
}
send_one() {		# subject
	printf 'Subject: %s\n\nx\n' "$1" | setpriv --reuid nobody --regid nogroup --clear-groups "$programs/sendmail" --out "$spool/public/queue.ctrl" root
}
pids() { stat -c '%U %n' /proc/[0-9]* 2>/dev/null | sed -n "s|^deaddrop-$1 /proc/||p" | head -n 1; }
no_processes() { ! stat -c %U /proc/[0-9]* 2>/dev/null | grep -q '^deaddrop-'; }
new_pid() { [ -n "$(pids send)" ] && [ "$(pids send)" != "$1" ]; }
arrives() {		# supervisor count
	send_one "$1"; is $? 0 "$1: an ordinary user sends"
	wait_for 15 arrived_are "$2"; works $? "$1: the message arrives"
}

# --- s6
mkdir -p "$home/scan-s6"
s6-svscan "$home/scan-s6" > "$scratch/svscan.log" 2>&1 &
watcher=$!
chain_cleanup() { kill "$watcher" 2>/dev/null; wait "$watcher" 2>/dev/null; }
wait_for 5 test -p "$home/scan-s6/.s6-svscan/control"
setup s6; works $? "setup for s6"
arrives s6 1
for stage in queue send local smtpd; do
	timeout 10 s6-svwait -U -t 8000 "$home/etc/service/deaddrop-$stage"; ok $? "s6: deaddrop-$stage says that it is ready"
	out=$("$home/etc/service/deaddrop-$stage/run" --check 2>&1); is "$out/$?" "deaddrop-$stage: configuration is fine/0" "s6: run --check"
done
like "$(cat "$home/log/send/current")" 'send: done' "s6-log keeps send's log"
is "$(stat -c %U "$home/log/send/current")" deaddrop-log "as a user of its own"
wait_for 10 new_pid none; old=$(pids send)
s6-svc -h "$home/etc/service/deaddrop-send"; wait_for 10 new_pid "$old"; ok $? "s6: a HUP starts send anew"
"$top/service/setup" --supervisor runit --etc "$home/etc" --dry-run > "$scratch/other.log" 2>&1; is $? 64 "setup for another supervisor is refused as long as it is set up for s6"
like "$(cat "$scratch/other.log")" 'setup --supervisor s6 --remove' "and says what to do first"
setup s6 --remove; works $? "s6: setup --remove"
wait_for 5 no_processes; ok $? "s6: no process is left"
is "$(ls "$home/scan-s6")$(ls "$home/etc/service" 2>/dev/null)" '' "s6: no service directory is left"
chain_cleanup

# --- OpenRC, as after its boot
chain_cleanup() { setup openrc --remove; }
for state in starting started stopping inactive wasinactive failed exclusive daemons options tmp scheduled coldplugged hotplugged; do
	mkdir -p "/run/openrc/$state"
done
: > /run/openrc/softlevel
setup openrc; works $? "setup for OpenRC"
arrives openrc 2
for stage in queue send local smtpd; do
	is "$(rc-service "deaddrop-$stage" status 2>&1 | grep -c started)" 1 "OpenRC: deaddrop-$stage is started"
	rc-update show default 2>/dev/null | grep -q "deaddrop-$stage "; ok $? "OpenRC: and will be at the next boot"
done
wait_for 10 new_pid none; old=$(pids send)
rc-service deaddrop-send checkconfig > "$scratch/reload.log" 2>&1; ok $? "OpenRC: checkconfig"
rc-service deaddrop-send restart > "$scratch/reload.log" 2>&1; ok $? "OpenRC: restart"
wait_for 10 new_pid "$old"; ok $? "OpenRC: starts send anew"
echo 'nonsense' >> "$home/etc/send.conf"
rc-service deaddrop-send checkconfig > "$scratch/reload.log" 2>&1; is $? 78 "OpenRC: checkconfig of a broken configuration fails"
like "$(cat "$scratch/reload.log")" 'send.conf:[0-9]+: expected' "and says where"
sed -i '$d' "$home/etc/send.conf"
old=$(pids send)
kill -9 "$old"; wait_for 10 new_pid "$old"; ok $? "OpenRC: a stage that was killed is started again"
rc-service deaddrop-local stop > /dev/null 2>&1; rc-service deaddrop-local status > /dev/null 2>&1; is $? 3 "OpenRC: the status of a stopped stage is 3, as the LSB has it"
setup openrc --remove; works $? "OpenRC: setup --remove"
wait_for 10 no_processes; ok $? "OpenRC: no process is left"
is "$(ls /etc/init.d /etc/runlevels/default | grep deaddrop)" '' "OpenRC: no init script is left"
chain_cleanup() { :; }

# --- who may submit
groupadd mailers
setup systemd --no-start --submitters mailers; works $? "setup for systemd, in an image where it does not run"
like "$(cat "$home/etc/service/deaddrop-queue/run")" '--in-mode 0660 --in-group mailers --in [^ ]*/public/queue.ctrl' "--submitters stands in queue's run script"
"$home/etc/service/deaddrop-queue/run" > "$scratch/queue.log" 2>&1 &
queue=$!
wait_for 5 test -S "$spool/public/queue.ctrl"
out=$(send_one 'not a member' 2>&1); is $? 77 "who is no member is refused"
like "$out" 'queue.ctrl.*[Pp]ermission|may not' "and told so"
printf 'Subject: member\n\nx\n' | setpriv --reuid nobody --regid nogroup --groups mailers "$programs/sendmail" --out "$spool/public/queue.ctrl" root; is $? 0 "a member sends"

# --- systemd
kill $queue; wait $queue
for stage in queue send local smtpd; do
	out=$(systemd-analyze verify --man=no "/etc/systemd/system/deaddrop-$stage.service" 2>&1 | grep deaddrop); is "$out" '' "systemd-analyze verify deaddrop-$stage.service"
	start=$(sed -n 's/^ExecStart=//p' "/etc/systemd/system/deaddrop-$stage.service")
	python3 - "$start" "$scratch/notify" <<-'TXT'; ok $? "deaddrop-$stage tells systemd that it is ready, and ends at TERM"
	import os, signal, socket, subprocess, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.settimeout(10)
	if os.path.exists(sys.argv[2]):
	    os.unlink(sys.argv[2])
	s.bind(sys.argv[2])
	p = subprocess.Popen([sys.argv[1]], env=dict(os.environ, NOTIFY_SOCKET=sys.argv[2]), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
	try:
	    said = s.recv(4096)
	finally:
	    p.send_signal(signal.SIGTERM)
	sys.exit(b'READY=1' not in said or p.wait(20))
	TXT
done
setup systemd --remove; works $? "systemd: setup --remove"
is "$(ls -R /etc/systemd/system | grep deaddrop)" '' "systemd: no unit is left"
rm -r "$spool" "$home/log"
setup systemd --remove
is "$(grep deaddrop /etc/passwd /etc/group)" '' "and, when the mail is gone, no user"
done_testing

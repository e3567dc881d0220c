#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installed as root with make install and service/setup, all stages, under runit and under daemontools: users, chroots, confinement of the
# stages and of their keepers, who can read what; then Debian's cron.
. "$(dirname "$0")/lib.sh"
need_root
command -v runsvdir >/dev/null && command -v svscan >/dev/null || plan_skip "needs runit and daemontools"
! id deaddrop-queue >/dev/null 2>&1 || plan_skip "deaddrop is installed on this host"

home=$scratch/host
reader=$(getent passwd nobody >/dev/null && echo nobody)
make -s -C "$top" install PREFIX="$home/usr" > "$scratch/install.log" 2>&1; ok $? "make install" || diag "$(cat "$scratch/install.log")"
programs=$home/usr/sbin
spool=$home/spool

setup_args() {
	echo --supervisor "$1" --programs "$programs" --spool "$spool" --logs "$home/log" --etc "$home/etc" \
		--services "$home/service-$1" --scan "$home/scan-$1" --reader "$reader" --with smtpd --with imap --with remote
}
watcher=''
chain_cleanup() {
	[ -z "$watcher" ] || { kill "$watcher" 2>/dev/null; wait "$watcher" 2>/dev/null; }
	for s in runit daemontools; do
		[ ! -d "$home/service-$s" ] || "$top/service/setup" $(setup_args $s) --remove >/dev/null 2>&1
	done
	rm -rf "$spool" "$home/log"
	"$top/service/setup" $(setup_args runit) --remove >/dev/null 2>&1
	[ -z "${cron_pid-}" ] || kill "$cron_pid" 2>/dev/null
	[ -z "${cron_mount-}" ] || umount "$cron_mount" 2>/dev/null
}

# A configuration that has a secret, a keeper and a port in it, as an administrator would put there beforehand
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p "$home/etc"
echo "listen 127.0.0.1 port $port" > "$home/etc/smtpd.conf"
echo 'drop phone { host localhost; user frank; password-file account.pw }' > "$home/etc/imap.conf"
echo 'drop out { relay localhost; user frank; password-file account.pw }' > "$home/etc/remote.conf"
echo secret > "$home/etc/account.pw"
chmod 0600 "$home"/etc/*.conf "$home/etc/account.pw"
all_stages='queue send local smtpd imap remote'

before=$(find "$home" | sort; cat /etc/passwd /etc/group)
out=$("$top/service/setup" $(setup_args runit) --dry-run); is $? 0 "setup --dry-run"
is "$(find "$home" | sort; cat /etc/passwd /etc/group)" "$before" "changes nothing"
like "$out" 'would run: useradd.*deaddrop-queue' "and says what it would do"

status_of() { sed -n "s/^$2:[ \t]*//p" "/proc/$1/status"; }
capabilities() { sed -n 's/^Cap\(Inh\|Prm\|Eff\|Amb\):[ \t]*0*\([0-9a-f]*\)$/\1\2/p' "/proc/$1/status" | sed 's/^...//' | tr -d '\n0'; }
pid_of() {		# stage: the one whose parent is its supervise process
	for candidate in $(pgrep -f "^$programs/deaddrop-$1 "); do
		[ "$(readlink "/proc/$candidate/exe")" = "$(readlink -f "$programs/deaddrop-$1")" ] && echo "$candidate"
	done | head -n 1
}
running() { [ -n "$(pid_of "$1")" ] && [ -S "$spool/public/queue.ctrl" ]; }


# A process: its user's name, groups, powers, and what it holds open besides the paths that are given as patterns
check_process() {	# "supervisor: who" pid user groups path...
	who=$1 pid=$2 user=$3 groups=$4; shift 4
	is "$(stat -c %U "/proc/$pid")" "$user" "$who has a user of its own"
	is "$(status_of "$pid" Uid | tr '\t' '\n' | sort -u | wc -l)" 1 "$who can be nobody else"
	is "$(status_of "$pid" Groups | tr -s ' ' '\n' | sort -n | paste -sd' ' | sed 's/^ //; s/ $//')" \
		"$(echo "$groups" | tr ' ' '\n' | sort -n | paste -sd' ')" "$who has no groups that it does not need"
	is "$(status_of "$pid" NoNewPrivs)" 1 "$who has no_new_privs"
	is "$(capabilities "$pid")" '' "$who has no capabilities"
	strange=''
	for fd in "/proc/$pid/fd"/*; do
		file=$(readlink "$fd")
		case $file in
		/dev/null|pipe:*|socket:*|anon_inode:*|/dev/log) continue ;;
		esac
		for path; do
			case $file in $path) continue 2 ;; esac
		done
		strange="$strange $file"
	done
	is "$strange" '' "$who holds no descriptor that it does not need"
}

check_confinement() {
	for stage in $all_stages; do
		wait_for 10 running $stage; ok $? "$1: deaddrop-$stage runs"
		pid=$(pid_of $stage)
		wait_for 5 sh -c "[ \"\$(stat -c %U /proc/$pid)\" = deaddrop-$stage ] && grep -q 'Seccomp:.2' /proc/$pid/status"
		groups=$(id -g "deaddrop-$stage") root=$stage trust=''
		case $stage in
		queue|send) root=queue ;;
		local) root=mail groups="$groups $(getent group deaddrop-mail | cut -d: -f3)" ;;
		imap|remote) trust='/etc/ssl/*' ;;		# read when the first connection needs it
		esac
		check_process "$1: $stage" "$pid" "deaddrop-$stage" "$groups" "$spool/$root" "$spool/$root/*" "$spool/public/*.lock" "$spool/queue/*.lock" "$spool/smtpd/*.lock" "$trust"
		is "$(readlink "/proc/$pid/root")" "$spool/$root" "$1: $stage is in its chroot"
		is "$(status_of "$pid" Seccomp)" 2 "$1: $stage has a seccomp filter"
	done
	# What is outside of the chroot (passwords are read and names asked for there) is a keeper's, which has no powers either where nobody's are needed.
	# The password's file is root's alone: remote, which reads it at each login, has a keeper that may, and imap, which has read it, has one that may not.
	for child in $(cat "/proc/$(pid_of imap)/task/$(pid_of imap)/children"); do
		check_process "$1: imap's keeper" "$child" deaddrop-imap "$(id -g deaddrop-imap)"
		is "$(status_of "$child" Seccomp)" 2 "$1: imap's keeper has a seccomp filter"
	done
	for child in $(cat "/proc/$(pid_of remote)/task/$(pid_of remote)/children"); do
		is "$(status_of "$child" Seccomp)" 2 "$1: remote's keeper has a seccomp filter"
		is "$(sed -n 's/^Cap\(Prm\|Bnd\):[ \t]*0*//p' "/proc/$child/status" | sort -u)" e6 "$1: and of root's capabilities those for files and for asking names as somebody else"
	done
	for stage in $all_stages; do
		[ $stage = queue ] || [ $stage = send ] ||
		is "$(as "deaddrop-$stage" find "$spool/queue/journal" "$spool/queue/outcome" "$spool/queue/deferred" "$spool/queue/dead" -type f 2>/dev/null)" '' \
			"$1: $stage cannot read the spool"
		is "$(as "deaddrop-$stage" cat "$home"/etc/account.pw "$home"/etc/*.conf 2>/dev/null | grep -c -e '^secret' -e '^drop.*user frank')" 0 "$1: $stage's user cannot read secrets"
		case $stage in queue) own='queue/journal' ;; send) own='queue/[jods]' ;; local) own='mail/inbox' ;; *) own='nothing' ;; esac
		is "$(as "deaddrop-$stage" find "$spool" "$home/etc" "$home/log" "$home/service-$1" ! -type s ! -type l -writable 2>/dev/null | grep -v "^$spool/$own")" '' \
			"$1: $stage's user can write to nothing but what is its own"
	done
	is "$(as nobody find "$spool/queue/journal" "$spool/mail/inbox" "$spool/smtpd" "$home/log/send" -type f 2>/dev/null)" '' "$1: others see neither spool, nor mail, nor logs"
	is "$(cd "$spool" && stat -c '%a %U:%G %n' public/*.ctrl queue/*.ctrl smtpd/*.ctrl)" "$(cat <<-TXT
		666 root:deaddrop-queue public/admin.ctrl
		666 root:root public/queue.ctrl
		660 root:deaddrop-send queue/imap.ctrl
		660 root:deaddrop-send queue/local.ctrl
		660 root:deaddrop-send queue/remote.ctrl
		660 root:deaddrop-queue queue/send.ctrl
		660 root:deaddrop-smtpd smtpd/queue.ctrl
	TXT
	)" "$1: sockets are for those who need them"
	for stage in queue send local smtpd; do		# imap and remote would log in
		out=$("$home/service-$1/deaddrop-$stage/run" --check); is "$out/$?" "deaddrop-$stage: configuration is fine/0" "$1: run --check"
	done 2>/dev/null
}
as() {			# user command...
	as_user=$1; shift
	setpriv --reuid "$as_user" --regid "$(id -g "$as_user")" --clear-groups "$@"
}
deliver_as() {		# user text
	printf 'Subject: %s\n\nx\n' "$2" | setpriv --reuid "$1" --regid nogroup --clear-groups --no-new-privs \
		"$programs/deaddrop-inject" --out "$spool/public/queue.ctrl" root
}
inbox=$spool/mail/inbox

out=$("$top/service/setup" $(setup_args runit) 2>&1); is $? 0 "setup for runit" || diag "$out"
out=$("$top/service/setup" $(setup_args runit) 2>&1)
is "$(printf '%s\n' "$out" | grep -cv 'setup: done')" 0 "a second run finds nothing to do"
runsvdir -P "$home/scan-runit" >/dev/null 2>&1 &
watcher=$!
check_confinement runit
deliver_as nobody first; is $? 0 "an ordinary user under no_new_privs sends"
wait_for 10 arrived_are 1; ok $? "runit: the message arrives"
is "$(setpriv --reuid nobody --regid nogroup --groups deaddrop-mail cat "$inbox"/new/* 2>/dev/null | grep -c '^Subject: first')" 1 "the reader can read it"
like "$(cat "$home/log/send/current")" 'send: done' "svlogd keeps send's log"
kill "$watcher"; watcher=''
"$top/service/setup" $(setup_args runit) --remove > "$scratch/remove.log" 2>&1; ok $? "setup --remove"
is "$(arrived)" 1 "the mail stays"
is "$(find "$spool" "$home/log" -nouser -o -nogroup)" '' "and nothing of it belongs to a number that the next user may get"
like "$(cat "$scratch/remove.log")" 'left in place.*deaddrop-queue deaddrop-send deaddrop-local' "who owns it is named"

# As on another host: the same names have other numbers
chown -R 64321:64322 "$spool"/queue/[jods]*/ "$spool/mail/inbox" "$home"/log/*

out=$("$top/service/setup" $(setup_args daemontools) 2>&1); is $? 0 "setup for daemontools, over what was left and has other numbers" || diag "$out"
(cd "$home/scan-daemontools" && exec svscan) >/dev/null 2>&1 &
watcher=$!
check_confinement daemontools
deliver_as nobody second; is $? 0 "sends under daemontools"
wait_for 10 arrived_are 2; ok $? "daemontools: the message arrives"
like "$(cat "$home/log/send/current")" 'send: done' "multilog keeps send's log"

# Debian's cron, with a spool of its own and our sendmail where it looks for one
if [ -x /usr/sbin/cron ] && ! pgrep -x cron >/dev/null && { [ ! -e /usr/sbin/sendmail ] || [ -L /usr/sbin/sendmail ]; }; then
	cat > "$scratch/sendmail-here" <<-TXT
	#!/bin/sh
	exec -a sendmail $programs/sendmail --out $spool/public/queue.ctrl "\$@"
	TXT
	sed -i 's|#!/bin/sh|#!/bin/bash|' "$scratch/sendmail-here"
	chmod 0755 "$scratch/sendmail-here"
	saved=$(readlink /usr/sbin/sendmail 2>/dev/null)
	ln -sfn "$scratch/sendmail-here" /usr/sbin/sendmail
	printf 'MAILTO=root\n* * * * * root echo the job of cron says $((6*7))\n' > /etc/cron.d/deaddrop-test
	/usr/sbin/cron -f >/dev/null 2>&1 &
	cron_pid=$!
	cron_arrived() { grep -lq 'the job of cron says 42' "$inbox"/new/*; }
	wait_for 130 cron_arrived; ok $? "the output of a job of Debian's cron arrives"
	like "$(cat "$(grep -l 'the job of cron' "$inbox"/new/* | head -n 1)")" 'From: .*Cron' "with cron's own header"
	kill "$cron_pid"; wait "$cron_pid" 2>/dev/null; cron_pid=''
	rm -f /etc/cron.d/deaddrop-test /usr/sbin/sendmail
	[ -z "$saved" ] || ln -s "$saved" /usr/sbin/sendmail
else
	skip "another cron or sendmail is in use here"
fi

kill "$watcher"; watcher=''
"$top/service/setup" $(setup_args daemontools) --remove > "$scratch/remove.log" 2>&1; ok $? "setup --remove under daemontools"
rm -r "$spool" "$home/log"
"$top/service/setup" $(setup_args daemontools) --remove > "$scratch/remove.log" 2>&1; ok $? "--remove once more, when the mail is gone"
is "$(grep deaddrop /etc/passwd /etc/group)" '' "removes the users"
make -s -C "$top" uninstall PREFIX="$home/usr" && is "$(find "$home/usr" -type f -o -type l)" '' "make uninstall leaves nothing"
done_testing

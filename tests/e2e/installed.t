#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installed as root with make install and service/setup, under runit and under daemontools: users, chroots, confinement; then Debian's cron.
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
		--services "$home/service-$1" --scan "$home/scan-$1" --reader "$reader"
}
watcher=''
chain_cleanup() {
	[ -z "$watcher" ] || { kill "$watcher" 2>/dev/null; wait "$watcher" 2>/dev/null; }
	for s in runit daemontools; do
		[ ! -d "$home/service-$s" ] || "$top/service/setup" $(setup_args $s) --remove >/dev/null 2>&1
	done
	[ -z "${cron_pid-}" ] || kill "$cron_pid" 2>/dev/null
	[ -z "${cron_mount-}" ] || umount "$cron_mount" 2>/dev/null
}

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

check_confinement() {
	for stage in queue send local; do
		wait_for 10 running $stage; ok $? "$1: deaddrop-$stage runs"
		pid=$(pid_of $stage)
		wait_for 5 test "$(stat -c %U "/proc/$pid" 2>/dev/null)" = "deaddrop-$stage"
		is "$(stat -c %U "/proc/$pid")" "deaddrop-$stage" "$1: $stage has a user of its own"
		groups=$(id -g "deaddrop-$stage")
		[ $stage = local ] && groups="$groups $(getent group deaddrop-mail | cut -d: -f3)"
		is "$(status_of "$pid" Groups | tr -s ' ' '\n' | sort -n | paste -sd' ' | sed 's/^ //; s/ $//')" \
			"$(echo "$groups" | tr ' ' '\n' | sort -n | paste -sd' ')" "$1: $stage has no groups that it does not need"
		root=queue; [ $stage = local ] && root=mail
		is "$(readlink "/proc/$pid/root")" "$spool/$root" "$1: $stage is in its chroot"
		is "$(status_of "$pid" NoNewPrivs)" 1 "$1: $stage has no_new_privs"
		is "$(status_of "$pid" Seccomp)" 2 "$1: $stage has a seccomp filter"
		is "$(capabilities "$pid")" '' "$1: $stage has no capabilities"
		strange=''
		for fd in "/proc/$pid/fd"/*; do
			case $(readlink "$fd") in
			/dev/null|pipe:*|socket:*|anon_inode:*|"$spool/$root"*|"$spool"/public/*.lock|"$spool"/queue/*.lock|/dev/log) ;;
			*) strange="$strange $(readlink "$fd")" ;;
			esac
		done
		is "$strange" '' "$1: $stage holds no descriptor that it does not need"
	done
	for stage in local; do
		is "$(setpriv --reuid deaddrop-local --regid deaddrop-local --clear-groups ls "$spool/queue/journal" "$spool/queue/deferred" 2>/dev/null)" '' \
			"$1: $stage cannot read the spool"
	done
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
wait_for 10 sh -c "! id deaddrop-queue"; ok $? "the users are gone"
is "$(arrived)" 1 "the mail is not"

out=$("$top/service/setup" $(setup_args daemontools) 2>&1); is $? 0 "setup for daemontools" || diag "$out"
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
wait_for 10 sh -c "! id deaddrop-queue"; ok $? "the users are gone again"
make -s -C "$top" uninstall PREFIX="$home/usr" && is "$(find "$home/usr" -type f -o -type l)" '' "make uninstall leaves nothing"
done_testing

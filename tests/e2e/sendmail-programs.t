#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Programs of Debian that mail, as root and as an ordinary user, with our sendmail at /usr/sbin/sendmail, through the real chain.  They run in a copy of this host's
# file system that is thrown away (an overlay in namespaces of our own for mounts and processes), so that nothing on the host is changed or left running.  What service/packages does
# not install is unpacked there from Debian's archive, where that can be reached.
if [ "$(id -u)" = 0 ] && [ -z "${SENDMAIL_PROGRAMS-}" ] && unshare -m -p -f --mount-proc true 2>/dev/null; then
	SENDMAIL_PROGRAMS=1 exec unshare -m --propagation private -p -f --kill-child --mount-proc sh "$0"
fi
. "$(dirname "$0")/lib.sh"
need_root
[ -n "${SENDMAIL_PROGRAMS-}" ] || plan_skip "no mount namespace can be made here"

root=$scratch/root
mkdir "$scratch/over" "$root" && mount -t tmpfs -o size=1g none "$scratch/over" && mkdir "$scratch/over/up" "$scratch/over/work" &&
	mount -t overlay -o lowerdir=/,upperdir="$scratch/over/up",workdir="$scratch/over/work" none "$root" 2>/dev/null &&
	[ -x "$root/bin/sh" ] || plan_skip "no overlay of / can be mounted here"
cron_pid=''
chain_cleanup() {
	[ -z "$cron_pid" ] || kill "$cron_pid" 2>/dev/null
	umount -R "$root" "$scratch/over" 2>/dev/null || umount -l "$root" "$scratch/over" 2>/dev/null
}
mkdir -p "$root$scratch" "$root/proc" "$root/dev"
mount --bind "$scratch" "$root$scratch" && mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" || plan_skip "mounts fail here"
cp --remove-destination -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null
mkdir -p "$root/tmp"; chmod 1777 "$root/tmp"

# An ordinary user, the sendmail, and the chain that it leads to
uid=4242
echo "tester:x:$uid:$uid:Tessa Tester,,,:/home/tester:/bin/sh" >> "$root/etc/passwd"
echo "tester:x:$uid:" >> "$root/etc/group"
echo 'tester:*:19000:0:99999:7:::' >> "$root/etc/shadow"
mkdir -p "$root/home/tester" "$root/etc/deaddrop" "$root/var/spool/cron/crontabs" && chown $uid:$uid "$root/home/tester"
rm -f "$root/usr/sbin/sendmail" "$root/usr/lib/sendmail"
cp "$bin/deaddrop-inject" "$root/usr/sbin/sendmail" && ln -s ../sbin/sendmail "$root/usr/lib/sendmail"
chain_make
printf 'socket %s\nadmin %s\nname vm.test.invalid\n' "$chain/public.ctrl" "$chain/admin.ctrl" > "$root/etc/deaddrop/inject.conf"
queue_options="--in-mode 0666 --in $chain/public.ctrl"
chain_start
wait_for 5 test -S "$chain/admin.ctrl" && chmod 0666 "$chain/admin.ctrl"

# in_root WHO COMMAND: with the little environment that daemons have
in_root() {
	in_who=$1; shift
	in_home=/root in_as='env'
	[ "$in_who" = root ] || in_home=/home/$in_who in_as="setpriv --reuid $uid --regid $uid --clear-groups"
	chroot "$root" $in_as env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 HOME=$in_home LOGNAME=$in_who USER=$in_who SHELL=/bin/sh sh -c "cd $in_home; $1" \
		> "$scratch/out" 2>&1 < /dev/null
}
has() { chroot "$root" env PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin sh -c "command -v $1" >/dev/null 2>&1; }
# unpack PACKAGE: from Debian's archive into the copy. What will be wanted is fetched while the first programs run; what that does not bring is fetched singly.
others='' fetch_pid=''
for package in fail2ban logwatch at anacron systemd-cron; do chroot "$root" dpkg-query -W "$package" > /dev/null 2>&1 || others="$others $package"; done
[ -z "$others" ] || { chroot "$root" sh -c "mkdir -p $scratch/debs && cd $scratch/debs && apt-get -qq download $others" > "$scratch/fetch" 2>&1 < /dev/null & fetch_pid=$!; }
unpack() {
	[ -z "$fetch_pid" ] || wait "$fetch_pid"; fetch_pid=''
	chroot "$root" sh -c "mkdir -p $scratch/debs && cd $scratch/debs && { ls $1_*.deb || apt-get -qq download $1 || { apt-get -qq update && apt-get -qq download $1; }; } &&
		dpkg-deb --fsys-tarfile $1_*.deb | tar -x -C / --keep-directory-symlink" > "$scratch/unpack" 2>&1
}
with_text() { grep -rlF -- "$1" "$inbox/new" 2>/dev/null | head -n 1 | grep .; }
# arrives TOKEN NAME [WAIT]: one message with the text arrives, complete and addressed; its file is $message
arrives() {
	if wait_for "${3:-10}" with_text "$1"; then ok 0 "$2"; else ok 1 "$2"; diag "$(head -c 600 "$scratch/out")"; message=/dev/null; return 1; fi
	message=$(with_text "$1")
	for field in From Date Message-I[Dd]; do
		[ "$(sed '/^$/q' "$message" | grep -ci "^$field:")" = 1 ] || { ok 1 "$2: one $field"; return 1; }
	done
	sed '/^$/q' "$message" | grep -qE '^(To|Cc): .*(@|;)' || { ok 1 "$2: a qualified To"; diag "$(sed '/^$/q' "$message")"; }
}
# each WHO NAME PROGRAM COMMAND: COMMAND has TOKEN for what is looked for
each() {
	for who in root tester; do
		token="token-$1-$who"
		if ! has "$2"; then skip "$1 as $who: $2 is not installed here"; continue; fi
		in_root $who "$(printf '%s' "$3" | sed "s/TOKEN/$token/g")" || { ok 1 "$1 as $who: exit $?"; diag "$(head -c 600 "$scratch/out")"; continue; }
		arrives "$token" "$1 delivers as $who" || continue
		like "$(sed -n 's/^Return-Path: <\(.*\)>/\1/p' "$message")" "^$(printf '%s' "${4:-WHO@vm.test.invalid}" | sed "s/WHO/$who/")\$" "$1 as $who: the sender"
		[ -z "${5-}" ] || like "$(cat "$message")" "$5" "$1 as $who: $5"
	done
}

# @reboot is what cron runs as soon as it starts: no minute has to pass, and its mail is made as for any other job.
start_cron() {		# start_cron BINARY
	echo '@reboot root echo token-cron-root; echo .; echo behind the dot' > "$root/etc/cron.d/deaddrop-test"
	echo '@reboot echo token-cron-tester' > "$root/var/spool/cron/crontabs/tester"
	chown $uid "$root/var/spool/cron/crontabs/tester"; chmod 0600 "$root/var/spool/cron/crontabs/tester"
	rm -f "$root/etc/cron.d/"[!d]* "$root/run/crond.pid" "$root/run/crond.reboot" "$root/run/cron.reboot" "$root/var/spool/cron/crontabs/"[!t]*
	: > "$root/etc/crontab"
	chroot "$root" "$1" -f > "$scratch/cron.log" 2>&1 < /dev/null &
	cron_pid=$!
}
[ ! -x "$root/usr/sbin/cron" ] || start_cron /usr/sbin/cron

body='TOKEN\n.\nbehind the dot\n'
each s-nail s-nail "printf '$body' | s-nail -n -s 'Grüße' root" WHO@vm.test.invalid '^behind the dot$'
each bsd-mailx bsd-mailx "printf '$body' | bsd-mailx -s hello root" WHO@vm.test.invalid '^behind the dot$'
each mailutils mail.mailutils "printf 'TOKEN\nmore\n' | mail.mailutils -s hello root" 'WHO@.+'
each mutt mutt "printf '$body' | mutt -n -F /dev/null -e 'set copy=no' -s hello -b hidden@example.org -- root" WHO@vm.test.invalid '^Delivered-To: hidden@example.org$'
cat > "$scratch/0001.patch" <<'TXT'
From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: Dev <dev@example.org>
Date: Sat, 21 Nov 2026 06:00:00 +0000
Subject: [PATCH] TOKEN

---
 a | 1 +
TXT
chmod 0644 "$scratch/0001.patch"
if [ -e "$root/usr/lib/git-core/git-send-email" ]; then
	each git-send-email git "sed s/TOKEN/TOKEN/ $scratch/0001.patch > TOKEN.patch; sed -i 's/\\[PATCH\\] .*/[PATCH] TOKEN/' TOKEN.patch
		git send-email --quiet --confirm=never --suppress-cc=all --from=dev@example.org --to=list@example.org --envelope-sender=dev@example.org --sendmail-cmd=/usr/sbin/sendmail TOKEN.patch" dev@example.org
else
	skip "git send-email is not installed here"
fi
each php php "php -n -r 'exit(mail(\"root\", \"hello\", \"TOKEN\\n.\\nbehind the dot\\n\", \"From: web@example.org\\r\\nCc: other@example.org\", \"-fweb@example.org\") ? 0 : 1);'" \
	web@example.org '^behind the dot$'
each Mail::Mailer perl "perl -MMail::Mailer -e '\$m = Mail::Mailer->new(\"sendmail\"); \$m->open({To => \"root\", Subject => \"hello\"}); print \$m \"TOKEN\\n.\\nbehind the dot\\n\"; \$m->close or exit 1'" \
	WHO@vm.test.invalid '^behind the dot$'
each Email::Sender perl "perl -MEmail::Sender::Simple=sendmail -MEmail::Sender::Transport::Sendmail -MEmail::Simple -e '
	sendmail(Email::Simple->new(\"To: root\\nFrom: me\\@example.org\\nSubject: hello\\n\\nTOKEN\\n.\\nbehind the dot\\n\"), {transport => Email::Sender::Transport::Sendmail->new})'" \
	me@example.org '^behind the dot$'

# sudo: a bad password of an ordinary user; and root's own use
if has sudo; then
	printf 'Defaults mail_badpass, mail_always, mailto="root"\nroot ALL=(ALL) ALL\ntester ALL=(ALL) ALL\n' > "$root/etc/sudoers"
	chmod 0440 "$root/etc/sudoers"; rm -f "$root/etc/sudoers.d/"*
	in_root tester 'echo wrong | sudo -S -p "" /bin/echo token-sudo-tester'
	if grep -q 'no new privileges' "$scratch/out"; then skip "sudo as tester: set-uid programs do not work here"
	else
		arrives 'incorrect password' "sudo mails about a bad password" 15
		is "$(grep -c 'token-sudo-tester' "$message")" 1 "and says what was tried"
	fi
	in_root root 'sudo /bin/echo token-sudo-root'
	arrives 'COMMAND=/bin/echo token-sudo-root' "sudo mails as root" 15
else
	skip "sudo is not installed here"
fi

# fail2ban's action, its command with the values put in
if [ -e "$root/etc/fail2ban/action.d/sendmail.conf" ] || unpack fail2ban; then
	cat > "$scratch/ban.py" <<-'TXT'
	import configparser, re, sys
	c = configparser.ConfigParser()
	c.read(['/etc/fail2ban/action.d/sendmail-common.conf', '/etc/fail2ban/action.d/sendmail.conf'])
	v = dict(c.items('Init'), ip='192.0.2.7', name=sys.argv[1], failures='5')
	v['fq-hostname'] = 'vm.test.invalid'
	text = c.get('Definition', 'actionban')
	for _ in range(4):
	    text = re.sub('<([a-z-]+)>', lambda m: v.get(m.group(1), m.group(0)), text)
	print(text)
	TXT
	each fail2ban-action python3 "python3 $scratch/ban.py TOKEN > ban && sh ban" fail2ban@vm.test.invalid '^The IP 192.0.2.7 has just been banned'
	# and the whole of it: a server of the caller's own, with one jail, that is told to ban
	cat > "$scratch/f2b" <<-'TXT'
	rm -rf f2b && cp -r /etc/fail2ban f2b && cd f2b && rm -rf jail.d jail.local && : > log || exit 1
	printf '[DEFAULT]\nallowipv6 = no\n[%s]\nenabled = true\nfilter = recidive\nbackend = polling\nlogpath = %s/log\naction = sendmail[name=%s, dest=root, sender=fail2ban@vm.test.invalid, sendername=F2B, actionstart="", actionstop=""]\n' "$1" "$PWD" "$1" > jail.conf
	: > paths-debian.conf
	set -- "$1" -c "$PWD" -s "$PWD/sock" -p "$PWD/pid"
	name=$1; shift
	printf '[Definition]\nloglevel = INFO\nlogtarget = %s/f2b.log\nsyslogsocket = auto\nsocket = %s/sock\npidfile = %s/pid\ndbfile = None\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Thread]\n' "$PWD" "$PWD" "$PWD" > fail2ban.conf
	fail2ban-client "$@" start || exit 1
	fail2ban-client "$@" set "$name" banip 192.0.2.7 || exit 1
	n=0; while ! grep -q 'Ban 192.0.2.7' f2b.log && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
	fail2ban-client "$@" stop
	cat f2b.log
	TXT
	chmod 0644 "$scratch/f2b"
	each fail2ban fail2ban-server "sh $scratch/f2b TOKEN" fail2ban@vm.test.invalid '^The IP 192.0.2.7 has just been banned'
else
	skip "fail2ban cannot be unpacked here"
fi

if has logwatch || { unpack logwatch && has logwatch; }; then
	mkdir -p "$root/var/cache/logwatch" && chmod 1777 "$root/var/cache/logwatch"
	echo "$(date '+%Y-%m-%d %H:%M:%S') install token-logwatch:amd64 <none> 1.0" > "$root/var/log/dpkg.log"; chmod 0644 "$root/var/log/dpkg.log"
	each logwatch logwatch "logwatch --output mail --mailto root --service dpkg --range all --detail high --archives no --hostname TOKEN" WHO@vm.test.invalid '^From: .*@vm.test.invalid'
else
	skip "logwatch cannot be unpacked here"
fi

if [ -x "$root/usr/sbin/atd" ] || unpack at; then
	mkdir -p "$root/var/spool/cron/atjobs" "$root/var/spool/cron/atspool"
	chown daemon:daemon "$root/var/spool/cron/atjobs" "$root/var/spool/cron/atspool"
	chmod 1770 "$root/var/spool/cron/atjobs" "$root/var/spool/cron/atspool"
	touch "$root/var/spool/cron/atjobs/.SEQ"; chown daemon:daemon "$root/var/spool/cron/atjobs/.SEQ"; chmod 600 "$root/var/spool/cron/atjobs/.SEQ"
	for who in root tester; do
		in_root $who "echo 'echo token-at-$who; echo .; echo behind the dot' | at now"
		cat "$scratch/out" > "$scratch/at"
		in_root root 'atd -s'
		arrives "token-at-$who" "at delivers as $who" 15 && like "$(cat "$message")" '^behind the dot$' "all of the output, as $who" || diag "$(cat "$scratch/at")"
	done
else
	skip "at cannot be unpacked here"
fi

if has anacron || { unpack anacron && has anacron; }; then
	each anacron anacron "mkdir -p anaspool && printf 'SHELL=/bin/sh\nPATH=/usr/bin:/bin\n1 0 job echo TOKEN\n' > anatab && anacron -f -n -d -t ~/anatab -S ~/anaspool; true" WHO@vm.test.invalid '^From: .*nacron'
else
	skip "anacron cannot be unpacked here"
fi

# systemd-cron's mail script, with a systemctl that tells of a failed job
if [ -e "$root/lib/systemd-cron/mail_on_failure" ] || unpack systemd-cron; then
	script=$(cd "$root" && ls lib/systemd-cron/mail_on_failure usr/lib/systemd-cron/mail_on_failure usr/libexec/systemd-cron/mail_for_job 2>/dev/null | head -n 1)
	mkdir -p "$root/usr/local/bin"
	cat > "$root/usr/local/bin/systemctl" <<-'TXT'
	#!/bin/sh
	case "$*" in
	*property=User*) echo User=root ;;
	*property=Environment*) echo Environment=MAILTO=root MAILFROM=root ;;
	*) printf '● %s\n     Active: failed (Result: exit-code)\n' "$2"; exit 3 ;;
	esac
	TXT
	chmod 0755 "$root/usr/local/bin/systemctl"
	each systemd-cron python3 "/$script TOKEN.service" WHO@vm.test.invalid '^Auto-Submitted: auto-generated'
else
	skip "systemd-cron cannot be unpacked here"
fi

if [ ! -e /proc/mdstat ]; then
	skip "mdadm: this kernel has no arrays"
elif has mdadm || unpack mdadm; then
	truncate -s 20M "$scratch/over/disk1" "$scratch/over/disk2"
	d1=$(losetup -f --show "$scratch/over/disk1") && d2=$(losetup -f --show "$scratch/over/disk2") &&
		chroot "$root" mdadm --create /dev/md/deaddroptest --run --level=1 --raid-devices=2 "$d1" "$d2" > "$scratch/out" 2>&1
	md=$(readlink -f /dev/md/deaddroptest)
	if [ -b "$md" ]; then
		in_root root "mdadm --monitor --test --oneshot --mail=root --program=/bin/true $md"
		arrives 'TestMessage' "mdadm --monitor --test delivers" 15
		chroot "$root" mdadm --stop "$md" > /dev/null 2>&1
	else
		skip "mdadm: no array can be made here"
	fi
	losetup -d "$d1" "$d2" 2>/dev/null
else
	skip "mdadm cannot be unpacked here"
fi

is_cron() {
	for who in root tester; do arrives "token-cron-$who" "$1 delivers as $who" 30 && like "$(cat "$message")" '^From: .*Cron' "with cron's own header, as $who"; done
	like "$(cat "$(with_text token-cron-root)")" '^behind the dot$' "$1: all of the output"
}
if [ -n "$cron_pid" ]; then
	is_cron cron
	[ ! -s "$scratch/cron.log" ] || diag "$(cat "$scratch/cron.log")"
	kill "$cron_pid"; wait "$cron_pid" 2>/dev/null; cron_pid=''
else
	skip "cron is not installed here"
fi
release=$(. "$root/etc/os-release"; echo "${VERSION_ID:-99}")
if { [ -x "$root/usr/sbin/crond" ] || { [ "${release%%.*}" -gt 12 ] && unpack cronie; }; } && [ -x "$root/usr/sbin/crond" ]; then
	rm -f "$inbox"/new/*
	start_cron /usr/sbin/crond
	sleep 0.2
	is_cron cronie
else
	skip "cronie: this release of Debian does not have it"
fi

# mail(1) of monitoring programs is one of the three above; the other names of sendmail
for name in mailq newaliases; do ln -sf ../sbin/sendmail "$root/usr/bin/$name"; done
cp "$bin/deaddrop-mailq" "$root/usr/sbin/deaddrop-mailq"
for who in root tester; do
	in_root $who newaliases; is "$? $(cat "$scratch/out")" '0 ' "newaliases as $who is quiet"
	in_root $who 'sendmail -bi'; is "$? $(cat "$scratch/out")" '0 ' "so is sendmail -bi"
	in_root $who mailq; like "$? $(cat "$scratch/out")" '^0 .*empty' "mailq as $who"
	in_root $who 'sendmail -bp'; like "$? $(cat "$scratch/out")" '^0 .*empty' "sendmail -bp as $who"
	in_root $who 'sendmail -q'; is "$? $(cat "$scratch/out")" '0 0 messages are tried now' "sendmail -q as $who"
done
done_testing

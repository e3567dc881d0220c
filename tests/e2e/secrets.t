#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Files of secrets that others can read: told of by --check and at each start, with the line and what to do; the mail goes on.
. "$(dirname "$0")/lib.sh"
command -v openssl >/dev/null || plan_skip "needs openssl"
mkdir "$scratch/etc"
cd "$scratch/etc" || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2 -keyout key.pem -out cert.pem 2>/dev/null
cat key.pem cert.pem > both.pem
echo secret-of-frank > frank.pw
echo secret-token > token
echo 'u:{PLAIN}secret-of-u' > users
cat > imap.conf <<-'TXT'
	drop inline {
		host 127.0.0.1; port 1; tls none; user frank
		password secret-inline
	}
	drop file { host 127.0.0.1; port 1; tls none; user frank; password-file frank.pw }
	drop token { host 127.0.0.1; port 1; tls none; user frank; token-file token }
	drop key {
		host 127.0.0.1; port 1; user frank; verify no; password-file frank.pw
		certificate cert.pem; key key.pem
	}
	drop both { host 127.0.0.1; port 1; user frank; verify no; password-file frank.pw; certificate both.pem }
TXT
cat > remote.conf <<-'TXT'
	drop out { relay 127.0.0.1 port 1; tls starttls; verify no; user frank; password-file frank.pw; certificate cert.pem
		key key.pem }
TXT
printf 'listen %s/smtpd\ntls certificate %s/cert.pem key %s/key.pem\nauth %s/users\n' "$scratch" "$PWD" "$PWD" "$PWD" > smtpd.conf

modes() { chmod "$1" imap.conf remote.conf smtpd.conf frank.pw token key.pem both.pem; chmod "$2" users; }
warnings() { "$bin/deaddrop-$1" --check --config "$PWD/$1.conf" 2>&1 | sed -n "s|$PWD/||g; s/^deaddrop-$1: warning: //p"; }

modes 0600 0600
for stage in imap remote smtpd; do is "$(warnings $stage)" '' "$stage: nothing is said of files that their owner alone can read"; done

modes 0644 0640
[ "$(id -g)" != 0 ] || chgrp 1 users
is "$(warnings imap)" "$(cat <<-'TXT'
	imap.conf:3: imap.conf is for its owner alone, but can be read by everybody (mode 0644): chmod 0600 imap.conf
	imap.conf:5: frank.pw is for its owner alone, but can be read by everybody (mode 0644): chmod 0600 frank.pw
	imap.conf:6: token is for its owner alone, but can be read by everybody (mode 0644): chmod 0600 token
	imap.conf:9: key.pem is for its owner alone, but can be read by everybody (mode 0644): chmod 0600 key.pem
	imap.conf:11: both.pem is for its owner alone, but can be read by everybody (mode 0644): chmod 0600 both.pem
TXT
)" "imap: each of them once, with its first line"
is "$(warnings remote)" "$(cat <<-'TXT'
	remote.conf:1: frank.pw is for its owner alone, but can be read by everybody (mode 0644): chmod 0600 frank.pw
	remote.conf:2: key.pem is for its owner alone, but can be read by everybody (mode 0644): chmod 0600 key.pem
TXT
)" "remote: likewise; a configuration without secrets may be read"
like "$(warnings smtpd)" '^smtpd.conf:2: key.pem .*everybody' "smtpd: the key of TLS"
like "$(warnings smtpd)" '^smtpd.conf:3: users .* by group' "and the users, of whom a group can read"
"$bin/deaddrop-smtpd" --check --config "$PWD/smtpd.conf" > /dev/null 2>&1; is $? 0 "--check is content with the configuration nevertheless"
chmod 0644 users
"$bin/deaddrop-smtpd" --check --config "$PWD/smtpd.conf" > /dev/null 2>&1; is $? 78 "users whom everybody can read are refused"
out=$("$bin/deaddrop-remote" --check --relay 127.0.0.1:1 --login frank --password-file frank.pw 2>&1)
like "$out" '^deaddrop-remote: warning: --password-file: .*/frank.pw is for its owner alone, but can be read by everybody' "an option's file, too"

# At each start
"$bin/deaddrop-imap" --in "$scratch/imap.ctrl" --config "$PWD/imap.conf" 2> "$scratch/started" & pid=$!
wait_for 10 grep -q start "$scratch/started"; ok $? "a stage starts nevertheless"
is "$(grep -c '^imap: warning .*imap.conf:[0-9]*: .* for its owner alone' "$scratch/started")" 5 "and logs what it has found"
kill $pid; wait $pid
is "$(grep -c -e secret- "$scratch/started")" 0 "no secret is in the log"

# A group that may: the stage's own
if [ "$(id -u)" = 0 ]; then
	modes 0640 0640
	chgrp 2 imap.conf frank.pw token key.pem both.pem
	out=$("$bin/deaddrop-imap" --check --user 1:2 --config "$PWD/imap.conf" 2>&1 | grep -c warning)
	is "$out" 0 "the stage's own group may read its secrets"
	out=$("$bin/deaddrop-imap" --check --user 1:3 --config "$PWD/imap.conf" 2>&1)
	like "$out" 'imap.conf:3: .* can be read by group [^ ]* \(mode 0640\)' "another group may not"
else
	skip "groups need root"
fi
done_testing

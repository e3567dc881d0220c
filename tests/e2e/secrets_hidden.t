#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# With -vv, and from servers that repeat what they were told: no password, no token, in no form, in any output.  And what smtpd's clients say out of turn.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || plan_skip "needs python3"
server=$(cd "$(dirname "$0")" && pwd)/echo_server.py
password='Tr0ub4dor"and\3'
token=ya29.a0AfB_byC4-token-of-frank
cd "$scratch" || exit 1
umask 077
printf '%s\n' "$password" > frank.pw
printf '%s\n' "$token" > token

# Each form in which it can stand: as it is, quoted, in base 64 alone and behind user names
cat > forms.py <<'PY'
import base64, sys
password, token = open('frank.pw').read().rstrip('\n'), open('token').read().rstrip('\n')
b64 = lambda text: base64.b64encode(text.encode()).decode()
forms = [password, password.replace('\\', '\\\\').replace('"', '\\"'), b64(password), b64('\0frank\0' + password), token, b64(token), b64('user=frank\1auth=Bearer %s\1\1' % token)]
text = open(sys.argv[1], errors='replace').read()
unescaped = text.replace('\\"', '"').replace('\\\\', '\\')
print(sum((form in text) + (form in unescaped) + (form[:14] in text) for form in forms))
PY
shown() { python3 forms.py "$1"; }
hides() {		# NAME: the output hides all, and yet says what was wrong
	is "$(shown out)" 0 "$1: nothing of the secret is shown" || diag "$(cat out)"
	like "$(cat out)" 'cannot log in|refused|token' "$1: why it failed is"
	like "$(cat out)" '\*\*\*\*' "$1: with a mask in its place"
}

imap_by() {		# MECHANISMS DIRECTIVE...
	mechanisms=$1; shift
	printf 'drop phone { tunnel "python3 %s imap %s"; user frank\n%s\n}\n' "$server" "$mechanisms" "$*" > imap.conf
	echo 'Subject: x' | "$bin/deaddrop-imap" --config imap.conf --account phone -vv > out 2>&1
}
imap_by '' 'password-file frank.pw'; hides "imap, LOGIN"
imap_by PLAIN 'password-file frank.pw'; hides "imap, AUTHENTICATE PLAIN"
imap_by LOGIN 'password-file frank.pw'; hides "imap, AUTHENTICATE LOGIN"
imap_by XOAUTH2 'token-file token'; hides "imap, XOAUTH2"

remote_by() {		# MECHANISMS OPTION...
	python3 "$server" smtp 0 $1 > port & listener=$!
	wait_for 5 test -s port
	shift
	echo 'Subject: x' | "$bin/deaddrop-remote" --relay "127.0.0.1:$(cat port)" --tls none --clear yes --login frank "$@" --sender a@example.org --recipient b@example.org -vv > out 2>&1
	kill $listener; wait $listener 2>/dev/null
	rm -f port
}
remote_by PLAIN --password-file frank.pw; hides "remote, PLAIN"
remote_by LOGIN --password-file frank.pw; hides "remote, LOGIN"
remote_by XOAUTH2 --token-file token; hides "remote, XOAUTH2"

# A client that does not wait for the answer to AUTH, where it is refused; and one that cannot type
plain=$(printf '\0frank\0%s' "$password" | base64)
printf 'EHLO c\r\nAUTH LOGIN\r\n%s\r\n%s\r\nNOOP\r\nAUTH PLAIN %s\r\n%s\r\n AUTH PLAIN %s\r\nXYZZY\r\nNOOP\r\nPLUGH\r\nQUIT\r\n' \
	"$(printf frank | base64)" "$(printf '%s' "$password" | base64)" "$plain" "$plain" "$plain" > said
"$bin/deaddrop-smtpd" --stdio --out x.ctrl -vv < said > answers 2> out
is "$(shown out)" 0 "smtpd: nothing of what belongs to a login is logged" || diag "$(cat out)"
is "$(tr -d '\r' < answers | grep -c '^500')" 6 "smtpd: it is answered as an unknown command" || diag "$(cat answers)"
like "$(cat out)" 'command=PLUGH' "smtpd: other unknown commands are logged"
done_testing

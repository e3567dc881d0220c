#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Keepers where the stage is root, by hand: names are asked for by nobody, and in a user namespace that has nobody by root.
. "$(dirname "$0")/lib.sh"
need_root
command -v unshare >/dev/null || plan_skip "needs unshare"
cd "$scratch" || exit 1
umask 077
printf 'secret\n' > frank.pw
printf 'drop phone { host localhost; port 1; tls none; user frank; password-file frank.pw }\n' > imap.conf
printf 'drop token { host localhost; port 1; tls none; user frank; token-file frank.pw }\n' > token.conf
printf 'drop both { host localhost; port 1; tls none; user frank; token-command "cat %s/frank.pw" }\n' "$scratch" > command.conf
# Resolving is what it is about: the connection is refused then.
for conf in imap token command; do
	like "$("$bin/deaddrop-imap" --config $conf.conf --check 2>&1)" 'Connection refused' "imap, $conf: a name is found"
done
like "$("$bin/deaddrop-remote" --check --relay localhost:1 --login frank --password-file frank.pw 2>&1)" 'refused' "remote: a name is found"

if unshare -r true 2>/dev/null; then
	for conf in imap token; do
		like "$(unshare -r "$bin/deaddrop-imap" --config $conf.conf --check 2>&1)" 'Connection refused' "imap, $conf: the same with nobody else there"
	done
	like "$(unshare -r "$bin/deaddrop-remote" --check --relay localhost:1 --login frank --password-file frank.pw 2>&1)" 'refused' "remote: the same"
else
	skip "no user namespaces"
fi

# Who asks: a resolver that never answers shows it
printf 'nameserver 127.0.0.98\noptions timeout:20 attempts:1\n' > resolv.conf
printf 'hosts: dns\n' > nsswitch.conf
chmod 644 resolv.conf nsswitch.conf
chmod 755 "$scratch"
python3 -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.98", 53)); print(1, flush=True); time.sleep(60)' > silent & silent=$!
wait_for 5 test -s silent
asks() {		# CONFIGURATION: status of the process that asks
	touch /etc/nsswitch.conf
	sed 's/localhost/silent.example/' "$1.conf" > asking.conf
	unshare -m sh -c 'mount --bind resolv.conf /etc/resolv.conf && mount --bind nsswitch.conf /etc/nsswitch.conf && exec "$@"' sh \
		"$bin/deaddrop-imap" --config asking.conf --check > /dev/null 2>&1 & stage=$!
	asking=''
	tries=100
	while [ -z "$asking" ] && [ $tries -gt 0 ]; do
		sleep 0.05; tries=$((tries - 1))
		for keeper in $(cat "/proc/$stage/task/$stage/children" 2>/dev/null); do
			for child in $(cat "/proc/$keeper/task/$keeper/children" 2>/dev/null); do
				[ "$(readlink "/proc/$child/exe")" != "$(readlink -f "$bin/deaddrop-imap")" ] || asking=$child
			done
		done
	done
	sleep 0.2
	sed -n 's/^\(Uid\|Seccomp\|NoNewPrivs\|CapEff\):[ \t]*\([0-9a-f]*\).*/\1=\2/p' "/proc/$asking/status" | tr '\n' ' '
	kill $stage; wait $stage 2>/dev/null
}
for conf in imap token command; do
	is "$(asks $conf)" 'Uid=65534 CapEff=0000000000000000 NoNewPrivs=1 Seccomp=2 ' "imap, $conf: who asks is nobody, without powers, confined"
done
kill $silent; wait $silent 2>/dev/null
done_testing

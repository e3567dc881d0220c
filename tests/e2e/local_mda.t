#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-local as the delivery program of another mail system: Exim, with a configuration and a spool of its own.
. "$(dirname "$0")/lib.sh"
need_root
exim=$(command -v exim4 || command -v exim) || plan_skip "no Exim"
bin=${LOCAL_BIN:-$bin}
d=$scratch
id Debian-exim > /dev/null 2>&1 || plan_skip "no user for Exim"
mkdir "$d/spool" "$d/box"; chown Debian-exim "$d/spool"; chmod 1777 "$d/box"; cp "$bin/deaddrop-local" "$d/deaddrop-local"
printf '#!/bin/sh\ncat > /dev/null\necho "no such luck" >&2\nexit 67\n' > "$d/refuse"; chmod +x "$d/refuse"
cat > "$d/exim.conf" <<-END
	primary_hostname = host.test
	domainlist local_domains = test
	spool_directory = $d/spool
	log_file_path = $d/spool/%slog
	keep_environment =
	qualify_domain = test
	deliver_drop_privilege = true
	begin routers
	all:
	  driver = accept
	  domains = test
	  transport = \${if eq{\$local_part}{refused}{refuse}{\${if eq{\$local_part}{mbox}{mbox}{maildir}}}}
	begin transports
	maildir:
	  driver = pipe
	  command = $d/deaddrop-local --maildir $d/box/maildir
	  environment = SENDER=\$sender_address
	  user = Debian-exim
	  group = Debian-exim
	  message_prefix =
	  message_suffix =
	  temp_errors = 75
	mbox:
	  driver = pipe
	  command = $d/deaddrop-local --mbox $d/box/mbox
	  environment = SENDER=\$sender_address
	  user = Debian-exim
	  group = Debian-exim
	  temp_errors = 75
	refuse:
	  driver = pipe
	  command = $d/deaddrop-local --pipe $d/refuse
	  user = Debian-exim
	  group = Debian-exim
	  message_prefix =
	  message_suffix =
	  temp_errors = 75
	  return_output = true
	begin retry
	* * F,1h,10m
END
chmod 644 "$d/exim.conf"
mail() { printf 'Subject: by Exim\nTo: x\n\nFrom me\nbody\n' | "$exim" -C "$d/exim.conf" -odf -f sender@test "$@"; }
mail frank@test > "$d/out" 2>&1
file=$(ls "$d/box/maildir/new/"* 2>/dev/null | head -n 1)
[ -n "$file" ]; ok $? "Exim delivers by deaddrop-local --maildir" || diag "$(cat "$d/out" "$d/spool/mainlog" 2>/dev/null)"
if [ -z "$file" ]; then diag "$(cat "$d/out" "$d/spool/"*log 2>/dev/null)"; done_testing; exit 0; fi
is "$(head -n 1 "$file")" 'Return-Path: <sender@test>' "the sender is known"
is "$(tail -n 2 "$file")" 'From me
body' "the body is as it was"
mail mbox@test >> "$d/out" 2>&1
is "$(grep -c '^From sender@test ' "$d/box/mbox") $(grep -c '^>From me' "$d/box/mbox")" '1 1' "and by --mbox, Exim's own From_ line left out"
mail refused@test >> "$d/out" 2>&1
like "$(cat "$d/spool/mainlog")" 'refused@test.*(R=all|\*\*)' "what a program refuses, it refuses"
chmod 000 "$d/box/maildir"; chown root "$d/box/maildir"
mail frank@test >> "$d/out" 2>&1
like "$(cat "$d/spool/mainlog")" '== frank@test' "what is to be tried later waits"
chown Debian-exim "$d/box/maildir"; chmod 700 "$d/box/maildir"
"$exim" -C "$d/exim.conf" -qff >> "$d/out" 2>&1
is "$(ls "$d/box/maildir/new" | wc -l)" 3 "and arrives, as did the bounce"
done_testing

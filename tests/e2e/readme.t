#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# README's section on debugging by hand, run as it stands, in one directory, without root where that can be had.
. "$(dirname "$0")/lib.sh"
sed -n '/^Debugging by hand/,/^A deliverer also/p' "$top/README" | sed -n 's/^    //p' |
	sed -e "s|^PATH=.*|PATH=$bin:\$PATH|" -e 's|^less |cat |' > "$scratch/commands"
like "$(cat "$scratch/commands")" 'deaddrop-queue --once' "README has such a section"
chmod 0777 "$scratch"
as=''
[ "$(id -u)" != 0 ] || as='setpriv --reuid nobody --regid nogroup --clear-groups'
out=$(cd "$scratch" && timeout 60 $as sh -e commands 2> err); is $? 0 "its commands end well" || diag "$(cat "$scratch/err")"
like "$out" '^%deaddrop 1 ' "the journal can be read"
like "$out" '^Delivered-To: root' "and the message has arrived"
is "$(printf '%s\n' "$out" | grep -c '^by hand$')" 2 "with its text, in the journal and in the Maildir"
printf 'Subject: alone\n\nx\n' | $as "$bin/deaddrop-local" --maildir "$scratch/t/alone"; is $? 0 "deaddrop-local --maildir alone"
is "$(cat "$scratch"/t/alone/new/* | grep -c '^Subject: alone')" 1 "delivers"
done_testing

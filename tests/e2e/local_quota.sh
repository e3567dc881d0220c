#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Deliveries into a directory that has a quota, until EDQUOT and at its edge:
#
#	tests/e2e/local_quota.sh DIRECTORY USER
#
# DIRECTORY is USER's, or may be given to her, and may hold some 64 MB at most, by a user quota of hers or one of the directory. Needs root. Everything in
# DIRECTORY is removed. LOCAL_BIN and LOCAL_TOOLS say where deaddrop-local and the tests' programs are, if not below build. Prints TAP.
[ $# = 2 ] || { echo "usage: local_quota.sh DIRECTORY USER" >&2; exit 64; }
. "$(dirname "$0")/lib.sh"
need_root
bin=${LOCAL_BIN:-$bin} tools=${LOCAL_TOOLS:-$tools}
job=$tools/e2e/local_job
d=$scratch
box=$1/box user=$2 pid=''
. "$(dirname "$0")/local_full.sh"
no_room='4\.2\.2' settle=sync frees="$(seq 0 4 64) 80 120 160 200 232 240"
if setpriv --reuid "$user" --regid 65534 --clear-groups true 2>/dev/null; then as="setpriv --reuid $user --regid 65534 --clear-groups"; else
	printf '#!/bin/sh\nexec su -s /bin/sh %s -c '\''exec "$0" "$@"'\'' -- "$@"\n' "$user" > "$d/as"; chmod 755 "$d/as"; as=$d/as
fi
chain_cleanup() { [ -z "$pid" ] || { kill $pid; wait $pid; } 2>/dev/null; rm -rf "$box"; }
rm -rf "$1"/*; mkdir "$box" && chown "$user" "$box" || exit 73
$as dd if=/dev/zero of="$box/filler" bs=64k count=2048 2> "$d/dd"; rm -f "$box/filler"; sync
like "$(cat "$d/dd")" 'quota exceeded|EDQUOT' "$1 has a quota"
"$bin/deaddrop-local" --user "$user" --config "$d/local.conf" --in "$d/local.ctrl" 2>> "$d/log" & pid=$!
wait_for 5 test -S "$d/local.ctrl"
fill_all quota
is "$(grep -c 'later.*4\.2\.2' "$d/log" | sed 's/^[1-9][0-9]*$/some/')" some "each of them has its line in the log"
done_testing

# SPDX-License-Identifier: GPL-3.0-or-later
# TAP for shell tests, and a chain of our own to test. A test sources this file from tests/e2e or tests/crash.
top=$(cd "$(dirname "$0")/../.." && pwd)
bin=${BIN:-$top/build/bin}
tools=$top/build/tests
tap_n=0

plan_skip() { echo "1..0 # SKIP $*"; exit 0; }
need_root() { [ "$(id -u)" = 0 ] || plan_skip "needs root"; }
ok() {			# ok STATUS NAME: 0 is good
	tap_n=$((tap_n + 1))
	if [ "$1" = 0 ]; then echo "ok $tap_n - $2"; else echo "not ok $tap_n - $2"; fi
}
is() {			# is GOT WANTED NAME
	if [ "$1" = "$2" ]; then ok 0 "$3"; else ok 1 "$3"; diag "got '$1', wanted '$2'"; fi
}
like() { if printf '%s' "$1" | grep -qE -- "$2"; then ok 0 "$3"; else ok 1 "$3"; diag "'$1' does not match '$2'"; fi; }
skip() { tap_n=$((tap_n + 1)); echo "ok $tap_n # SKIP $*"; }
diag() { printf '%s\n' "$*" | sed 's/^/# /'; }
done_testing() { echo "1..$tap_n"; }

# wait_for SECONDS COMMAND…: until it succeeds
wait_for() {
	wait_left=$(( $1 * 20 )); shift
	while ! "$@" >/dev/null 2>&1; do
		wait_left=$((wait_left - 1)); [ $wait_left -gt 0 ] || return 1; sleep 0.05
	done
}

scratch=$(mktemp -d /tmp/deaddrop-test.XXXXXX) || exit 1
chmod 0755 "$scratch"
chain_cleanup() { :; }			# a test may define its own
finish() { chain_stop; chain_cleanup; rm -rf "$scratch"; }
trap finish EXIT
trap 'exit 130' INT TERM

# A chain without root and supervisor in $scratch/chain: chain_make, stage_start NAME, stage_stop NAME [SIGNAL], chain_start, chain_stop
chain=$scratch/chain
chain_make() {
	mkdir -p "$chain/journal" "$chain/outcome" "$chain/deferred" "$chain/dead" "$chain/status" "$chain/mail" "$scratch/log"
	ln -sfn "$scratch/log" "$chain/log"
	ln -sf "$bin/deaddrop-inject" "$scratch/sendmail"
}
stage_start() {
	case $1 in
	queue) set -- queue --in "$chain/queue.ctrl" --out "$chain/send.ctrl" --spool "$chain" $queue_options ;;
	send) set -- send --in "$chain/send.ctrl" --in "$chain/admin.ctrl" --out "$chain/local.ctrl" --spool "$chain" $send_options ;;
	local) set -- local --in "$chain/local.ctrl" --inbox "$chain/mail/inbox" $local_options ;;
	esac
	stage_name=$1; shift
	"$bin/deaddrop-$stage_name" "$@" 2>> "$scratch/log/$stage_name" < /dev/null > /dev/null &
	echo $! > "$scratch/$stage_name.pid"
}
queue_options='' send_options='' local_options=''
stage_stop() {
	stage_pid=$(cat "$scratch/$1.pid" 2>/dev/null) || return 0
	kill -"${2:-TERM}" "$stage_pid" 2>/dev/null
	wait "$stage_pid" 2>/dev/null
	stage_status=$?
	rm -f "$scratch/$1.pid"
	return 0
}
chain_start() { for stage in local send queue; do stage_start $stage; done; wait_for 5 test -S "$chain/queue.ctrl"; }
chain_stop() { for stage in queue send local; do stage_stop $stage; done; }
inbox=$chain/mail/inbox
arrived() { ls "$inbox/new" 2>/dev/null | wc -l; }
arrived_are() { [ "$(arrived)" = "$1" ]; }
sendmail() { "$scratch/sendmail" --out "$chain/queue.ctrl" "$@"; }
mailq() { "$bin/deaddrop-mailq" --admin "$chain/admin.ctrl" "$@"; }
spool_is_empty() { [ -z "$(ls "$chain/deferred" "$chain/dead" | grep -v : )" ] && mailq | grep -q 'queue is empty'; }

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What needs a kernel that the host may not have, in a machine of its own: a real mdadm that reports on an array of disks, and quotas that a
# file system enforces while local delivers.
case ${DEADDROP_GUEST-} in
'')
	. "$(dirname "$0")/lib.sh"
	need_root
	truncate -s 24M "$scratch/md0" "$scratch/md1"
	truncate -s 48M "$scratch/quota"
	DEADDROP_GUEST=1 "$top/tests/e2e/machine" -p mdadm -k raid1 -k quota_v2 -t 300 \
		-d "$scratch/md0" -d "$scratch/md1" -d "$scratch/quota" env DEADDROP_GUEST=1 "$0" > "$scratch/out" 2> "$scratch/err"
	status=$?
	[ $status != 77 ] || plan_skip "no machine can be had here: $(tail -n 1 "$scratch/err")"
	cat "$scratch/out"
	sed 's/^/# /' "$scratch/err"
	exit $status ;;
esac
. "$(dirname "$0")/lib.sh"
chain_make

# ---- mdadm: one message for each array with --test, by /usr/sbin/sendmail -t ----
mkdir -p /var/spool/deaddrop
mount -t tmpfs -o mode=755 spool /var/spool/deaddrop && mkdir /var/spool/deaddrop/public && ln -s "$chain/queue.ctrl" /var/spool/deaddrop/public/queue.ctrl
ln -sf "$bin/deaddrop-inject" /usr/sbin/sendmail
chain_start
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 /dev/ubda /dev/ubdb 2> "$scratch/mdadm" > /dev/null
ok $? "an array of two disks is made" || diag "$(cat "$scratch/mdadm")"
mdadm --monitor --test --oneshot --mail=frank /dev/md0 > /dev/null 2> "$scratch/mdadm"
is "$?: $(cat "$scratch/mdadm")" '0: ' "mdadm --monitor --test reports on it"
wait_for 20 arrived_are 1; ok $? "its mail arrives"
message=$(cat "$inbox"/new/* 2>/dev/null)
like "$message" '^Subject: TestMessage event on /dev/md0' "with mdadm's subject"
like "$message" '^To: frank' "to whom it was told"
like "$message" 'md0 : active raid1' "and the state of the array"
rm -f "$inbox"/new/*
mdadm --manage /dev/md0 --fail /dev/ubdb > /dev/null 2>&1
mdadm --monitor --oneshot --mail=frank /dev/md0 > /dev/null 2>&1
wait_for 20 arrived_are 1
like "$(cat "$inbox"/new/* 2>/dev/null)" '^Subject: (Fail|DegradedArray) event on /dev/md0' "a disk fails: mdadm's warning arrives"
chain_stop
mdadm --stop /dev/md0 > /dev/null 2>&1

# ---- quotas: a user's, on ext4 ----
mkdir "$scratch/box"
mke2fs -q -t ext4 -O quota -E quotatype=usrquota /dev/ubdc && mount -o usrquota /dev/ubdc "$scratch/box"
ok $? "a file system with quotas"
"$top/tests/e2e/machine_quota.py" /dev/ubdc "$scratch/box" "$top/build" > "$scratch/results"
status=$?
tab=$(printf '\t')
while IFS=$tab read -r result why; do
	ok "${result%% *}" "${result#* }"
	[ -z "$why" ] || diag "$why"
done < "$scratch/results"
is $status 0 "all of them were tried"
umount "$scratch/box"
done_testing

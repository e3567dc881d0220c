#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A real quota, btrfs's, which needs nothing of the kernel but btrfs: see local_quota.sh, which any file system with quotas can be tested with.
. "$(dirname "$0")/lib.sh"
need_root
grep -qw btrfs /proc/filesystems || modprobe btrfs 2>/dev/null || plan_skip "the kernel has no btrfs"
if [ -z "${DEADDROP_INSIDE-}" ]; then
	"$top/tests/peers" btrfs-progs -- env DEADDROP_INSIDE=1 "$0" 2> "$scratch/err"
	status=$?
	[ $status != 77 ] || plan_skip "$(tail -n 1 "$scratch/err")"
	cat "$scratch/err" >&2
	exit $status
fi
mkdir "$scratch/mount"; truncate -s 150M "$scratch/image"
mkfs.btrfs -q "$scratch/image" > /dev/null 2>&1 && mount -o loop "$scratch/image" "$scratch/mount" || plan_skip "no btrfs can be mounted"
chain_cleanup() { umount "$scratch/mount"; }
btrfs quota enable "$scratch/mount" && btrfs qgroup limit 8M "$scratch/mount" || plan_skip "no quota on btrfs"
"$(dirname "$0")/local_quota.sh" "$scratch/mount" nobody

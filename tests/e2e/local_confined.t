#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The stage as it is installed: in a chroot, as a user of its own, with Landlock and the filter; each kind, folders by captures, and directories
# that are replaced while it runs.
. "$(dirname "$0")/lib.sh"
need_root
command -v setpriv >/dev/null 2>&1 || plan_skip "no setpriv"
bin=${LOCAL_BIN:-$bin} tools=${LOCAL_TOOLS:-$tools}
job=$tools/e2e/local_job
d=$scratch
uid=61001 gid=61002 readers=61003 pid=''
store=$d/store
mkdir -m 755 "$store" "$store/etc" "$store/mounted"; mkdir "$d/out"; chmod 777 "$d/out"
echo secret > "$store/etc/secret"; chmod 666 "$store/etc/secret"
chain_cleanup() {
	[ -z "$pid" ] || { kill $pid; wait $pid; } 2>/dev/null
	umount "$store/mounted" 2>/dev/null
	[ -z "$user" ] || userdel $user 2>/dev/null
}
user=ddtestc$$
useradd -m -b "$d" -s /bin/sh $user 2>/dev/null || user=''
cat > "$d/local.conf" <<-END
	drop maildir maildir $store/mail/maildir group $readers mode 0640
	drop list    maildir $store/mail/maildir folder "lists.\$1"
	drop deep    maildir $store/mail/maildir folder "\$1" nested yes
	drop mh      mh      $store/mail/mh folder "\$1"
	drop mbox    mbox    $store/mail/boxes folder "\$1" group $readers mode 0640
	drop one     mbox    $store/mail/one
	drop append  append  $store/mail/raw folder "log-\$1"
	drop files   files   $store/mail/files folder "\$1" nested yes group $readers
	drop mounted maildir $store/mounted/box
	drop point   maildir $store/mounted
	drop prog    pipe    "/bin/sh -c 'cat > $d/out/\$EXTENSION; id -u; grep -E ^NoNewPrivs /proc/self/status >&2'" user $uid:$gid directory /
END
[ -z "$user" ] || echo 'drop user maildir "~/Maildir" folder "$1" as recipient' >> "$d/local.conf"
printf 'Received: by host with local\n id 17-1;\nSubject: hi\n\nFrom me\nbody\n' > "$d/message"
stage() { "$bin/deaddrop-local" --chroot "$store" --user $uid:$gid --config "$d/local.conf" --in "$d/local.ctrl" 2>> "$d/log" & pid=$!; }
options=''
put() { drop=$1; shift; "$job" $options -- "$d/local.ctrl" "$drop" root@host "$@" < "$d/message" 2>&1; }
is_new() { [ "$("$job" -n $(($(date +%s%N) / 1000 % 1000000000)) -- "$d/local.ctrl" "$1" root@host frank < "$d/message" | cut -c1-9)" = 'K 0 2.0.0' ]; }
stage
wait_for 5 test -S "$d/local.ctrl" || diag "$(cat "$d/log")"
is "$(sed -n 's/^Uid:\t//p; s/^Gid:\t//p; s/^Groups:\t//p; s/^NoNewPrivs:\t//p; s/^Seccomp:\t//p; s/^CapEff:\t//p' /proc/$pid/status | tr '\n' ' ')" \
	"$(printf '%s\t%s\t%s\t%s' $uid $uid $uid $uid) $(printf '%s\t%s\t%s\t%s' $gid $gid $gid $gid) $gid $readers  0000000000000000 1 2 " "it has its own ids, the readers' group, no capability and a filter"
is "$(readlink /proc/$pid/root)" "$store" "and its chroot"

# Each kind, by captures
like "$(put maildir frank)" '^K 0 2\.0\.0 maildir/new/' "maildir"
like "$(put list/cron frank)" '^K 0 2\.0\.0 list/\.lists\.cron/new/' "a folder of it"
like "$(put deep/a.b.c frank)" '^K 0 2\.0\.0 deep/\.a\.b\.c/new/' "folders in folders"
is "$(put mh/cron frank; put mh/cron frank)" 'K 0 2.0.0 mh/cron/1
K 0 2.0.0 mh/cron/2' "mh"
is "$(put mbox/cron frank)" 'K 0 2.0.0 mbox/cron at 0' "mbox: a directory of files"
is "$(put one frank)" 'K 0 2.0.0 one at 0' "mbox: one file"
is "$(put append/cron frank)" 'K 0 2.0.0 append/log-cron at 0' "append"
like "$(put files/a.b frank)" '^K 0 2\.0\.0 files/a\.b/' "files"
like "$(put prog frank+cron)" "^K 0 2\.0\.0 exit 0: NoNewPrivs:.1" "pipe, by the keeper"
is "$(stat -c %u "$d/out/cron") $(tail -n 1 "$d/out/cron")" "$uid body" "as its own user, with the message"
[ ! -e "$store/mail/maildir/.lists.cron/maildirfolder" ] || is "$(find "$store/mail/maildir" -mindepth 1 -maxdepth 1 | sed 's|.*/||' | LC_ALL=C sort | tr '\n' ' ')" '.a.b.c .lists.cron cur new tmp ' \
	"nothing stray is in the Maildir"
is "$(find "$store/mail" ! -uid $uid | wc -l)" 0 "all of it is the stage's user's"
is "$(stat -c '%g %a' "$store/mail/maildir/new" "$store/mail/maildir/new/"* "$store/mail/boxes/cron" "$store/mail/files/a.b/"* | tr '\n' ,)" \
	"$readers 2750,$readers 640,$readers 640,$readers 660," "with the group and mode that the drops name"
read_as() { setpriv --reuid 61009 --regid "$1" --clear-groups cat "$store/mail/maildir/new/"* 2>/dev/null | tail -n 1; }
is "$(read_as $readers)/$(setpriv --reuid 61009 --regid 61008 --clear-groups ls "$store/mail/maildir/new" 2>&1 >/dev/null | grep -c denied)" 'body/1' "its readers can read it, nobody else"
for kind in list deep mh mbox append files; do
	for bad in .. ../x a/b /etc .x -x '' a..b a. "$(printf '%0201d' 0)"; do
		like "$(put "$kind/$bad" frank)" '^X 0 5\.1\.3' "no way out: $kind/$(printf '%.20s' "$bad" | tr '\n' ' ')" || break
	done
done
is "$(cat "$store/etc/secret") $(cd "$store" && ls . etc | tr '\n' ' ')" 'secret .: etc mail mounted  etc: secret ' "and nothing came elsewhere"
if [ -n "$user" ]; then
	like "$(put user/cron "$user+x@host")" '^K 0 2\.0\.0 user/\.cron/new/' "as recipient, from within the chroot, by the keeper outside"
	is "$(stat -c '%U %a' "$d/$user/Maildir/.cron/new" "$d/$user/Maildir/.cron/new/"* | tr '\n' ,)" "$user 2700,$user 600," "hers alone"
	like "$(put user/../x $user@host)" '^X 0 5\.1\.3' "and no way out"
else skip "no users can be made"; fi

# Unclear attempts look first, there too
for drop in maildir mh/cron mbox/cron append/cron files/a.b; do
	options='-n 77000'; put $drop frank > /dev/null; kill $pid; wait $pid; stage; wait_for 5 test -S "$d/local.ctrl"
	options='-u -n 77000'; like "$(put $drop frank)" '^K 0 2\.0\.0 found ' "$drop: an unclear attempt finds what is there"
done
options=''

# Directories that are replaced while it runs
mv "$store/mail/maildir" "$store/mail/away"; is_new maildir; ok $? "renamed: it is made anew"
is "$(ls "$store/mail/maildir/new" | wc -l) $(stat -c '%u %g %a' "$store/mail/maildir/new")" "1 $uid $readers 2750" "as it was"
rm -r "$store/mail/maildir"; mkdir -m 700 "$store/mail/maildir"; chown $uid "$store/mail/maildir"; is_new maildir; ok $? "remade by somebody: it is used"
rm -r "$store/mail/maildir"; mv "$store/mail/away" "$store/mail/maildir"; is_new maildir; ok $? "put back"
is "$(ls "$store/mail/maildir/new" | wc -l)" 3 "what was there before is there with what came"
for drop in mh/cron mbox/cron one append/cron files/a.b; do
	rm -rf "$store/mail/mh" "$store/mail/boxes" "$store/mail/one" "$store/mail/raw" "$store/mail/files"
	is_new $drop; ok $? "$drop: removed, and made again"
done
rm -r "$store/mail/maildir"; chown 0 "$store/mail"; chmod 755 "$store/mail"; like "$(put maildir frank)" '^Z 0 4\.3' "where nothing can be made it is later"
mkdir "$store/mail/maildir"; chown $uid "$store/mail/maildir"; is_new maildir; ok $? "until somebody makes it"
chown $uid "$store/mail"
like "$(put mounted frank)" '^K' "before anything is mounted"
if mount -t tmpfs -o size=1m,mode=700,uid=$uid,gid=$gid none "$store/mounted" 2>/dev/null; then
	is_new mounted; ok $? "a file system is mounted there: it is used"
	is "$(ls "$store/mounted/box/new" | wc -l)" 1 "at once"
	wait_for 8 umount "$store/mounted"; ok $? "what gets no mail for some seconds can be unmounted"
	is_new mounted; ok $? "unmounted: below it again"
	rm -rf "$store/mounted"/*; chown 0 "$store/mounted"; chmod 755 "$store/mounted"; like "$(put point frank)" '^Z 0 4\.3' "an empty mount point of root's is later"
	mount -t tmpfs -o size=1m,mode=700,uid=$uid,gid=$gid none "$store/mounted"; is_new point; ok $? "until its file system is there"
	wait_for 8 umount "$store/mounted"; is "$(ls "$store/mounted" | wc -l)" 0 "and nothing of it lies below"
else skip "no tmpfs can be mounted"; fi
# no link that the stage's own user plants is followed below a drop's path
rm -rf "$store/mail/maildir/new" "$store/mail/boxes"; ln -s ../../etc "$store/mail/maildir/new"; like "$(put maildir frank)" '^Z 0 4\.3' "a link in place of new"
mkdir "$store/mail/boxes"; ln -s ../../etc/secret "$store/mail/boxes/cron"; chown $uid "$store/mail/boxes"; like "$(put mbox/cron frank)" '^Z 0 4\.3' "in place of an mbox"
mv "$store/mail/mh/cron" "$d/" 2>/dev/null; mkdir -p "$store/mail/mh"; rm -rf "$store/mail/mh/cron"; ln -s ../../etc "$store/mail/mh/cron"; chown $uid "$store/mail/mh"; like "$(put mh/cron frank)" '^Z 0 4\.3' "in place of a folder"
is "$(cat "$store/etc/secret")$(ls "$store/etc")" secretsecret "is not followed"
kill $pid; wait $pid; is $? 0 "TERM: it ends well"; pid=''
"$bin/deaddrop-local" --chroot "$store/mail" --user $uid:$gid --config "$d/local.conf" --check > /dev/null 2> "$d/err"; is "$?" 78 "a drop outside the chroot is refused"
like "$(cat "$d/err")" 'local\.conf:9: .*outside the chroot' "with the line"
done_testing

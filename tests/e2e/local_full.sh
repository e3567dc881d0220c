# SPDX-License-Identifier: GPL-3.0-or-later
# Deliveries of each kind into $box while its room ends: whatever they were at, it is told later, and nothing of the message can be seen. A test sources this file
# after lib.sh; the stage listens on $d/local.ctrl. $as runs a command as who
# fills the file system, $no_room is what is answered, $settle waits until what was removed has been given back, $frees are the kilobytes left for the edge.
as='' no_room='4\.3\.1' settle=: frees='0 4 8 12 16 24 40 80 200' kinds='maildir mbox append mh files'
cat > "$d/local.conf" <<-END
	drop maildir maildir $box/maildir
	drop mbox    mbox    $box/mbox
	drop append  append  $box/append
	drop mh      mh      $box/mh
	drop files   files   $box/files
END
{ printf 'Received: by host with local\n id 1-1;\nSubject: one\n\n'; seq 1 40000; echo end; } > "$d/message"
sed "s/ id 1-1;/ id 1-9;/; s/^Subject: one/Subject: another/" "$d/message" > "$d/another"
printf 'Received: by host with local\n id 1-2;\nSubject: small\n\nx\nend\n' > "$d/small"
visible() { case $1 in
	maildir) find "$box/maildir/new" "$box/maildir/cur" -type f ;;
	mh) find "$box/mh" -type f -name '[0-9]*' ;;
	files) find "$box/files" -type f ! -name '.*' ;;
	*) find "$box/$1" -type f 2>/dev/null ;; esac; }
whole() { visible $1 | while read -r f; do [ ! -s "$f" ] || [ "$(tail -n 2 "$f" | grep -c '^end$')" = 1 ] || echo "$f"; done; }
copies() { visible $1 | xargs -r grep -h '^Subject: one' 2>/dev/null | wc -l; }

empty() { rm -rf "$box/maildir/new/"* "$box/mh/"[0-9]* "$box/files/"* "$box/mbox" "$box/append"; $settle; }
# fill KIND NAME: deliveries until there is no room
fill() {
	: > "$d/answers"
	for n in $(seq 1 400); do
		"$job" -n $n "$d/local.ctrl" $1 root frank < "$d/message" > "$d/answer"; cat "$d/answer" >> "$d/answers"
		grep -q '^K' "$d/answer" || break
	done
	like "$(cat "$d/answer")" "^Z 0 $no_room" "$2, $1: a message that has no room is told later"
	is "$("$job" -u -n 999 "$d/local.ctrl" $1 root frank < "$d/another" | tail -n 1)" 'unclear=0' "one that is unclear was not found, and nothing is left of it: it is clear again"
	is "$(whole $1)" '' "no part of it can be seen"
	is "$(copies $1)" "$(grep -c '^K' "$d/answers")" "those before it are there"
}
edge() {		# with few blocks left: those of a file that is removed again
	for free in $frees; do
		rm -f "$box/filler"; $settle
		$as dd if=/dev/zero of="$box/spare" bs=1k count=$free 2>/dev/null; $as dd if=/dev/zero of="$box/filler" bs=1k 2>/dev/null
		rm -f "$box/spare"; $settle
		for kind in $kinds; do
			"$job" -n $((free + 500)) "$d/local.ctrl" $kind root frank < "$d/message" > "$d/answer"
			grep -qE '^(K|Z 0 4\.)' "$d/answer" || echo "$free $kind: $(cat "$d/answer")"
			"$job" -n $((free + 900)) "$d/local.ctrl" $kind root frank < "$d/small" > "$d/answer"
			grep -qE '^(K|Z 0 4\.)' "$d/answer" || echo "$free $kind: $(cat "$d/answer")"
			whole $kind
		done
	done > "$d/wrong" 2>&1
	is "$(cat "$d/wrong")" '' "$1: with few blocks left every answer is done or later, and nothing partial can be seen"
	rm "$box/filler"; $settle
	for kind in $kinds; do
		empty
		like "$("$job" -u -n 500 "$d/local.ctrl" $kind root frank < "$d/message")" '^K' "$kind: it arrives when there is room"
	done
	is "$(cd "$box"; find . -name '*.lock*' -o -path '*/tmp/*' -o -name ',*' -o -path '*/files/.*' | tr '\n' ' ')" '' "nothing is left of the attempts"
}
# fill_all NAME: all of it
fill_all() {
	for kind in $kinds; do fill $kind "$1"; empty; done
	edge "$1"
}

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The tree builds with clang and with musl as well, and the flags that a packager gives are honoured.
. "$(dirname "$0")/lib.sh"
make=${MAKE:-make}
build() {		# name make-arguments…
	name=$1; shift
	$make -s -C "$top" B="$scratch/$name" "$@" > "$scratch/$name.log" 2>&1
}
libc_only="inject/deaddrop-inject queue/deaddrop-queue queue/deaddrop-mailq local/deaddrop-local"
if command -v clang >/dev/null; then
	build clang CC=clang WERROR=-Werror all; ok $? "builds with clang, without a warning" || diag "$(cat "$scratch/clang.log")"
else
	skip "no clang"
fi
regex=$(${CC:-cc} -print-file-name=libpcre2-8.a)
if ! command -v musl-gcc >/dev/null; then
	skip "no musl-gcc"
elif [ ! -f "$regex" ]; then
	skip "no static PCRE2"
else
	# Debian has no PCRE2 or OpenSSL of musl's own: the headers are lent, and the one name in the static PCRE2 that only glibc has is said to be memcpy.
	mkdir "$scratch/include"
	cp -rL /usr/include/pcre2.h /usr/include/openssl /usr/include/$(${CC:-cc} -print-multiarch)/openssl "$scratch/include/" 2>/dev/null
	set -- CC=musl-gcc WERROR=-Werror CPPFLAGS="-isystem $scratch/include"
	build musl "$@" STAGES='inject queue send local' PROGRAMS="$libc_only send/deaddrop-send" LDFLAGS='-static -Wl,--defsym=__memcpy_chk=memcpy' REGEX_LIBS="$regex" all
	ok $? "builds with musl, static, without a warning" || diag "$(tail -n 20 "$scratch/musl.log")"
	build musl-tls "$@" "$scratch/musl-tls/smtpd.a" "$scratch/musl-tls/imap.a" "$scratch/musl-tls/remote.a" "$scratch/musl-tls/libdeaddrop.a"
	ok $? "and so do the sources of the stages that need OpenSSL" || diag "$(tail -n 20 "$scratch/musl-tls.log")"
	if BIN=$scratch/musl/bin sh "$top/tests/e2e/chain.t" > "$scratch/chain.log" 2>&1; then status=0; else status=1; fi
	ok $status "the static chain does all that tests/e2e/chain.t asks" || diag "$(grep -v '^ok' "$scratch/chain.log")"
	printf 'route rcpt /^x-(.*)@example.org$/ to local:$1\n' > "$scratch/send.conf"
	like "$("$scratch/musl/bin/deaddrop-send" --explain --config "$scratch/send.conf" x-list@example.org)" 'local:list' "and its send knows regular expressions"
fi
like "$($make -n -C "$top" B="$scratch/flags" CC=our-cc CFLAGS=-Our-flags all 2>&1 | head -n 20)" 'our-cc .*-Our-flags' "CC and CFLAGS are taken"
$make -s -C "$top" install DESTDIR="$scratch/dest" PREFIX=/usr SENDMAILDIR=/usr/sbin > "$scratch/install.log" 2>&1; ok $? "make install DESTDIR PREFIX"
is "$(readlink "$scratch/dest/usr/sbin/sendmail")" /usr/sbin/deaddrop-inject "sendmail leads to the installed program"
cmp -s "$top/service/fail2ban/deaddrop-smtpd.conf" "$scratch/dest/usr/lib/deaddrop/fail2ban/deaddrop-smtpd.conf"; ok $? "fail2ban's filter is installed"
is "$(find "$scratch/dest" -perm /6000)" '' "nothing is set-uid"
for program in "$scratch"/dest/usr/sbin/deaddrop-*; do
	page=$scratch/dest/usr/share/man/man8/$(basename "$program").8
	[ -f "$page" ] || { ok 1 "a manual page for $(basename "$program")"; continue; }
	grep -q 'Sh EXIT STATUS' "$page"; ok $? "$(basename "$program") has a page with its exit status"
	"$program" --help > "$scratch/help" 2>&1; is $? 0 "$(basename "$program") --help"
done
if command -v mandoc >/dev/null; then
	is "$(mandoc -Tlint -Wwarning "$scratch"/dest/usr/share/man/man*/* 2>&1)" '' "the pages are in order"
fi
$make -s -C "$top" uninstall DESTDIR="$scratch/dest" PREFIX=/usr SENDMAILDIR=/usr/sbin
is "$(find "$scratch/dest" -type f -o -type l)" '' "make uninstall leaves nothing"
if command -v ctags >/dev/null && git -C "$top" rev-parse >/dev/null 2>&1; then
	"$top/tests/lint" > "$scratch/lint.log" 2>&1; ok $? "make lint" || diag "$(cat "$scratch/lint.log")"
else
	skip "no ctags, or no checkout"
fi
done_testing

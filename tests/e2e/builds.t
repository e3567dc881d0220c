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
if command -v musl-gcc >/dev/null; then
	build musl CC=musl-gcc WERROR=-Werror STAGES='inject queue local' PROGRAMS="$libc_only" LDFLAGS=-static all
	ok $? "builds with musl, static, without a warning" || diag "$(tail -n 20 "$scratch/musl.log")"
	printf 'Subject: musl\n\nx\n' | "$scratch/musl/bin/deaddrop-local" --maildir "$scratch/m" && ls "$scratch"/m/new/* >/dev/null
	ok $? "and the static deaddrop-local delivers"
else
	skip "no musl-gcc"
fi
like "$($make -n -C "$top" B="$scratch/flags" CC=our-cc CFLAGS=-Our-flags all 2>&1 | head -n 20)" 'our-cc .*-Our-flags' "CC and CFLAGS are taken"
$make -s -C "$top" install DESTDIR="$scratch/dest" PREFIX=/usr SENDMAILDIR=/usr/sbin > "$scratch/install.log" 2>&1; ok $? "make install DESTDIR PREFIX"
is "$(readlink "$scratch/dest/usr/sbin/sendmail")" /usr/sbin/deaddrop-inject "sendmail leads to the installed program"
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
